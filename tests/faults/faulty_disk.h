// A disk of which a call fails, or of which all fail from one on.
#ifndef KPRUNE_TESTS_FAULTS_FAULTY_DISK_H_
#define KPRUNE_TESTS_FAULTS_FAULTY_DISK_H_

#include <cerrno>
#include <mutex>

#include "server/artifacts/disk.h"

namespace kprune::testing {

struct DiskFault {
  int error = EIO;
  // A write puts half of its bytes down first. (The next one, of the other half, then fails.)
  bool short_write = false;
  // Every later call fails as well.
  bool stays = false;
};

// Thread-safe.
class FaultyDisk final : public Disk {
 public:
  // The `nth` call from now, from 1, fails. 0: none.
  void FailAt(int nth, const DiskFault& fault) {
    std::lock_guard lock(mutex_);
    calls_ = 0;
    nth_ = nth;
    fault_ = fault;
  }

  // Whether the call that is to fail has come.
  bool failed() const {
    std::lock_guard lock(mutex_);
    return nth_ > 0 && calls_ >= nth_;
  }

  int Open(const char* path, int flags, mode_t mode) override {
    return Fails() ? -1 : Disk::Open(path, flags, mode);
  }
  ssize_t Pread(int descriptor, void* bytes, size_t count, off_t offset) override {
    return Fails() ? -1 : Disk::Pread(descriptor, bytes, count, offset);
  }
  ssize_t Pwrite(int descriptor, const void* bytes, size_t count, off_t offset) override {
    if (!Fails()) return Disk::Pwrite(descriptor, bytes, count, offset);
    const bool half = fault_.short_write && count > 1;
    return half ? Disk::Pwrite(descriptor, bytes, count / 2, offset) : -1;
  }
  int Ftruncate(int descriptor, off_t size_bytes) override {
    return Fails() ? -1 : Disk::Ftruncate(descriptor, size_bytes);
  }
  int Fchmod(int descriptor, mode_t mode) override { return Fails() ? -1 : Disk::Fchmod(descriptor, mode); }
  // The machine stays on: nothing needs to be synced, which would take most of a test's time.
  int Fsync(int) override { return Fails() ? -1 : 0; }
  int StartWriteback(int, off_t, off_t) override { return Fails() ? -1 : 0; }
  int Rename(const char* from, const char* to) override { return Fails() ? -1 : Disk::Rename(from, to); }
  int Unlink(const char* path) override { return Fails() ? -1 : Disk::Unlink(path); }

 private:
  bool Fails() {
    std::lock_guard lock(mutex_);
    ++calls_;
    if (nth_ == 0 || calls_ < nth_ || (calls_ > nth_ && !fault_.stays)) return false;
    errno = fault_.error;
    return true;
  }

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  int calls_ = 0;
  int nth_ = 0;
  DiskFault fault_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_FAULTS_FAULTY_DISK_H_
