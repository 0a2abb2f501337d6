// A layer below SQLite (a VFS): calls fail, or the power goes. Registered as the default one while it lives.
#ifndef KPRUNE_TESTS_FAULTS_FAULTY_VFS_H_
#define KPRUNE_TESTS_FAULTS_FAULTY_VFS_H_

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "tests/faults/unsynced_files.h"

namespace kprune::testing {

struct VfsFault {
  // What the call answers; 0: the kind of error that fits it (SQLITE_IOERR_WRITE, ...).
  int code = 0;
  // A write puts half of its bytes down first.
  bool short_write = false;
  // Every later call fails as well.
  bool stays = false;
};

// Thread-safe. At most one lives at a time; databases opened through it are closed before it goes.
class FaultyVfs {
 public:
  FaultyVfs();
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  // The `nth` write, truncation, sync or removal from now, from 1, fails. 0: none.
  void FailAt(int nth, const VfsFault& fault);
  // Whether the call that is to fail, or at which the power goes, has come.
  bool reached() const;

  // The power goes at the `nth` such call from now: what comes later is not on the disk. (The program that
  // runs on does not notice.)
  void CutAt(int nth);
  // Syncs do nothing from now on, as on a disk that lies: what a test must notice.
  void StopSyncing();
  // Writes what is left of the files of `from` to the folder `to`.
  void LosePower(const std::filesystem::path& from, const std::filesystem::path& to, std::mt19937& random);

  // For the layer itself. 0, or what the call is to answer; `half` tells a write to put half down before.
  int Enter(int fitting_code, bool* half = nullptr);
  // As long as the power is there.
  void Record(const std::string& path, int64_t offset, std::string_view bytes);
  void RecordTruncate(const std::string& path, int64_t size_bytes);
  void RecordSync(const std::string& path);
  void RecordDelete(const std::string& path);

 private:
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  int calls_ = 0;
  int fail_at_ = 0;
  int cut_at_ = 0;
  bool cut_ = false;
  bool syncs_ = true;
  VfsFault fault_;
  std::map<std::string, UnsyncedBytes> files_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_FAULTS_FAULTY_VFS_H_
