#include "server/artifacts/disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace kprune {

int Disk::Open(const char* path, int flags, mode_t mode) { return ::open(path, flags, mode); }

void Disk::Close(int descriptor) { ::close(descriptor); }

ssize_t Disk::Pread(int descriptor, void* bytes, size_t count, off_t offset) {
  return ::pread(descriptor, bytes, count, offset);
}

ssize_t Disk::Pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  return ::pwrite(descriptor, bytes, count, offset);
}

int Disk::Ftruncate(int descriptor, off_t size_bytes) { return ::ftruncate(descriptor, size_bytes); }

int Disk::Fchmod(int descriptor, mode_t mode) { return ::fchmod(descriptor, mode); }

int Disk::Fsync(int descriptor) { return ::fsync(descriptor); }

int Disk::StartWriteback(int descriptor, off_t offset, off_t count) {
  return ::sync_file_range(descriptor, offset, count, SYNC_FILE_RANGE_WRITE);
}

int Disk::Rename(const char* from, const char* to) { return ::rename(from, to); }

int Disk::Unlink(const char* path) { return ::unlink(path); }

Disk& Disk::Kernel() {
  static Disk kernel;
  return kernel;
}

}  // namespace kprune
