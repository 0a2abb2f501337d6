// The system calls by which artifacts reach a disk. A seam: production asks the kernel; tests let calls fail,
// or forget what was not synced.
#ifndef KPRUNE_SERVER_ARTIFACTS_DISK_H_
#define KPRUNE_SERVER_ARTIFACTS_DISK_H_

#include <sys/types.h>

#include <cstddef>

namespace kprune {

// Thread-safe. Each is the system call of its name, or that it names: -1 and errno where it fails. This class
// is the kernel's own disk.
class Disk {
 public:
  virtual ~Disk() = default;

  virtual int Open(const char* path, int flags, mode_t mode);
  virtual void Close(int descriptor);
  virtual ssize_t Pread(int descriptor, void* bytes, size_t count, off_t offset);
  virtual ssize_t Pwrite(int descriptor, const void* bytes, size_t count, off_t offset);
  virtual int Ftruncate(int descriptor, off_t size_bytes);
  virtual int Fchmod(int descriptor, mode_t mode);
  virtual int Fsync(int descriptor);
  // sync_file_range(2): has that part written from now on, and waits for nothing.
  virtual int StartWriteback(int descriptor, off_t offset, off_t count);
  virtual int Rename(const char* from, const char* to);
  virtual int Unlink(const char* path);

  // One for all.
  static Disk& Kernel();
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_DISK_H_
