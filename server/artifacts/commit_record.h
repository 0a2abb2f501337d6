// How far a partial upload is safe on the disk, in a file beside its data.
#ifndef KPRUNE_SERVER_ARTIFACTS_COMMIT_RECORD_H_
#define KPRUNE_SERVER_ARTIFACTS_COMMIT_RECORD_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/artifacts/file_cipher.h"
#include "server/artifacts/posix_file.h"

namespace kprune {

struct Committed {
  int64_t size_bytes = 0;
  // The last of these bytes, where the data file does not have them.
  std::string tail;
};

// Used by one thread at a time.
class CommitRecord {
 public:
  virtual ~CommitRecord() = default;

  // Nothing committed where nothing was ever written, or what was written is no record of this data.
  virtual absl::StatusOr<Committed> Read() const = 0;

  // Replaces the record; OK means that it survives a crash. A crash meanwhile leaves this one or the one
  // before. The data, but for `tail`, must have been synced.
  virtual absl::Status Write(int64_t size_bytes, std::string_view tail) = 0;
};

// Of a plain file, which holds nothing back: eight bytes, which no crash tears.
class PlainRecord final : public CommitRecord {
 public:
  explicit PlainRecord(PosixFile file) : file_(std::move(file)) {}

  absl::StatusOr<Committed> Read() const override;
  absl::Status Write(int64_t size_bytes, std::string_view tail) override;

 private:
  PosixFile file_;
};

// Of a sealed file: two slots that are written in turn, each sealed as a whole with the file's own key, so
// that a slot which a crash tore is none.
class SealedRecord final : public CommitRecord {
 public:
  // Borrows `cipher`.
  SealedRecord(PosixFile file, FileCipher& cipher) : file_(std::move(file)), cipher_(cipher) {}

  absl::StatusOr<Committed> Read() const override;
  absl::Status Write(int64_t size_bytes, std::string_view tail) override;

 private:
  // A record and which one it was; 0: there is none.
  struct Slot {
    uint64_t turn = 0;
    Committed committed;
  };

  int64_t SlotAt(uint64_t slot) const;
  absl::StatusOr<Slot> ReadSlot(uint64_t slot) const;
  absl::StatusOr<Slot> ReadNewest() const;

  PosixFile file_;
  FileCipher& cipher_;
  uint64_t turn_ = 0;  // of the newest record; 0: not known yet
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_COMMIT_RECORD_H_
