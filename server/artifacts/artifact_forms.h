// The two forms in which a store keeps artifacts, told apart by their files' names: plain, and encrypted,
// whose names end with ".sealed". A store writes one form, and reads what it wrote in the other before
// encryption was asked for.
#ifndef KPRUNE_SERVER_ARTIFACTS_ARTIFACT_FORMS_H_
#define KPRUNE_SERVER_ARTIFACTS_ARTIFACT_FORMS_H_

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/artifacts/artifact_keys.h"
#include "server/artifacts/commit_record.h"
#include "server/artifacts/content_file.h"
#include "server/artifacts/disk.h"

namespace kprune {

struct ArtifactEncryption {
  ArtifactKeys keys;
  // What is encrypted, and checked, as one. All files of a store have the same.
  int64_t chunk_bytes = 64 << 10;
};

// An upload on its way: what came so far, and how much of it is safe. The record borrows the data.
struct PartialArtifact {
  std::unique_ptr<ContentFile> data;
  std::unique_ptr<CommitRecord> record;
};

// Thread-safe.
class ArtifactForms {
 public:
  // Borrows `disk`. `encryption` null: plain files are written, and encrypted ones cannot be read.
  ArtifactForms(Disk& disk, std::shared_ptr<const ArtifactEncryption> encryption)
      : disk_(disk), encryption_(std::move(encryption)) {}

  // The file of `plain` that is written today, and the one that it may be instead.
  std::filesystem::path Today(const std::filesystem::path& plain) const;
  std::filesystem::path Other(const std::filesystem::path& plain) const;

  // Opens a file to be read, in the form that its name says. NotFound; DataLoss.
  absl::StatusOr<std::unique_ptr<ContentFile>> Open(const std::filesystem::path& file) const;

  // Makes a new, empty file in the form that is written today, whatever its name is.
  absl::StatusOr<std::unique_ptr<ContentFile>> Make(const std::filesystem::path& file) const;

  // Opens the data and the record of an upload. Where one is missing, or they are no upload that can be
  // continued: makes them where `make`, else null.
  absl::StatusOr<PartialArtifact> OpenPartial(const std::filesystem::path& data,
                                              const std::filesystem::path& record, bool make) const;

  // How many bytes of an upload are safe; 0 where it cannot be continued, or there is none.
  absl::StatusOr<int64_t> CommittedBytes(const std::filesystem::path& data,
                                         const std::filesystem::path& record) const;

  // The size of the content of a file, by its name and size. NotFound.
  absl::StatusOr<int64_t> ContentBytes(const std::filesystem::path& file) const;

  // Whether a stored file is plain although today's are encrypted, or is encrypted under a key of before.
  absl::StatusOr<bool> IsOutdated(const std::filesystem::path& file) const;

  // FailedPrecondition: it is encrypted, and the key is not there. Damaged files pass.
  absl::Status CheckKey(const std::filesystem::path& file) const;

 private:
  Disk& disk_;
  const std::shared_ptr<const ArtifactEncryption> encryption_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_ARTIFACT_FORMS_H_
