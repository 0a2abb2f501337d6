// A disk that can lose its power: afterwards its files are those that UnsyncedNames and UnsyncedBytes leave.
#ifndef KPRUNE_TESTS_FAULTS_POWER_LOSS_DISK_H_
#define KPRUNE_TESTS_FAULTS_POWER_LOSS_DISK_H_

#include <fcntl.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <random>
#include <string>

#include "server/artifacts/disk.h"
#include "tests/faults/unsynced_files.h"

namespace kprune::testing {

// Thread-safe. Knows the files that were made through it; folders are never lost.
class PowerLossDisk final : public Disk {
 public:
  // Where it is false fsync does nothing, as on a disk that lies: what a test must notice.
  explicit PowerLossDisk(bool syncs) : syncs_(syncs) {}

  // The power goes at the `nth` call from now, from 1: what comes later is not on the disk. (The program that
  // runs on does not notice.)
  void CutAt(int nth) {
    std::lock_guard lock(mutex_);
    calls_left_ = nth - 1;
  }

  bool cut() const {
    std::lock_guard lock(mutex_);
    return calls_left_ < 0;
  }

  // Replaces every file in `folder` by what is left of it. No file of it may be open.
  void LosePower(const std::filesystem::path& folder, std::mt19937& random) {
    std::lock_guard lock(mutex_);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.is_regular_file()) std::filesystem::remove(entry.path());
    }
    for (const auto& [path, file] : names_.AfterPowerLoss(random)) {
      std::ofstream(path, std::ios::binary) << file->AfterPowerLoss(random);
    }
  }

  int Open(const char* path, int flags, mode_t mode) override {
    std::lock_guard lock(mutex_);
    const int descriptor = Disk::Open(path, flags, mode);
    if (descriptor < 0) return descriptor;
    if ((flags & O_CREAT) != 0 && names_.Find(path) == nullptr && Reaches()) {
      names_.Link(path, std::make_shared<UnsyncedBytes>());
    }
    open_[descriptor] = {path, names_.Find(path)};
    return descriptor;
  }

  void Close(int descriptor) override {
    std::lock_guard lock(mutex_);
    open_.erase(descriptor);
    Disk::Close(descriptor);
  }

  ssize_t Pwrite(int descriptor, const void* bytes, size_t count, off_t offset) override {
    std::lock_guard lock(mutex_);
    const ssize_t written = Disk::Pwrite(descriptor, bytes, count, offset);
    const auto& file = open_.at(descriptor).file;
    if (written > 0 && file != nullptr && Reaches()) {
      file->Write(offset, std::string_view(static_cast<const char*>(bytes), static_cast<size_t>(written)));
    }
    return written;
  }

  int Ftruncate(int descriptor, off_t size_bytes) override {
    std::lock_guard lock(mutex_);
    const auto& file = open_.at(descriptor).file;
    if (file != nullptr && Reaches()) file->Truncate(size_bytes);
    return Disk::Ftruncate(descriptor, size_bytes);
  }

  int Fsync(int descriptor) override {
    std::lock_guard lock(mutex_);
    const Opened& opened = open_.at(descriptor);
    if (!Reaches() || !syncs_) return 0;
    opened.file != nullptr ? opened.file->Sync() : names_.SyncFolder(opened.path);
    return 0;
  }

  // Whether it reached the disk is anyone's guess, as of all that was not synced.
  int StartWriteback(int, off_t, off_t) override {
    std::lock_guard lock(mutex_);
    Reaches();
    return 0;
  }

  int Rename(const char* from, const char* to) override {
    std::lock_guard lock(mutex_);
    if (Reaches()) names_.Rename(from, to);
    return Disk::Rename(from, to);
  }

  int Unlink(const char* path) override {
    std::lock_guard lock(mutex_);
    if (names_.Find(path) != nullptr && Reaches()) names_.Unlink(path);
    return Disk::Unlink(path);
  }

 private:
  struct Opened {
    std::string path;
    UnsyncedNames::File file;  // null: a folder, or a file that is not ours
  };

  // With mutex_ held: whether this call still reaches the disk.
  bool Reaches() {
    if (calls_left_ >= 0) --calls_left_;
    return calls_left_ >= 0;
  }

  const bool syncs_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  int calls_left_ = 1 << 30;  // below 0: the power is gone
  UnsyncedNames names_;
  std::map<int, Opened> open_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_FAULTS_POWER_LOSS_DISK_H_
