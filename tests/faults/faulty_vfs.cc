#include "tests/faults/faulty_vfs.h"

#include <sqlite3.h>

#include <fstream>
#include <stdexcept>
#include <string_view>

namespace kprune::testing {
namespace {

FaultyVfs* current = nullptr;  // the one that lives
sqlite3_vfs* system_vfs = nullptr;

struct LayeredFile {
  sqlite3_file base;
  std::string* path;
  sqlite3_file* below;
};

LayeredFile* Of(sqlite3_file* file) { return reinterpret_cast<LayeredFile*>(file); }
sqlite3_file* Below(sqlite3_file* file) { return Of(file)->below; }

int Close(sqlite3_file* file) {
  const int result = Below(file)->pMethods->xClose(Below(file));
  sqlite3_free(Below(file));
  delete Of(file)->path;
  return result;
}

int Read(sqlite3_file* file, void* bytes, int count, sqlite3_int64 offset) {
  return Below(file)->pMethods->xRead(Below(file), bytes, count, offset);
}

int Write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  bool half = false;
  const int fault = current->Enter(SQLITE_IOERR_WRITE, &half);
  if (fault != SQLITE_OK) {
    if (half) Below(file)->pMethods->xWrite(Below(file), bytes, count / 2, offset);
    return fault;
  }
  current->Record(*Of(file)->path, offset, {static_cast<const char*>(bytes), static_cast<size_t>(count)});
  return Below(file)->pMethods->xWrite(Below(file), bytes, count, offset);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size_bytes) {
  if (const int fault = current->Enter(SQLITE_IOERR_TRUNCATE); fault != SQLITE_OK) return fault;
  current->RecordTruncate(*Of(file)->path, size_bytes);
  return Below(file)->pMethods->xTruncate(Below(file), size_bytes);
}

// The disk below need not: what is synced is known here.
int Sync(sqlite3_file* file, int) {
  if (const int fault = current->Enter(SQLITE_IOERR_FSYNC); fault != SQLITE_OK) return fault;
  current->RecordSync(*Of(file)->path);
  return SQLITE_OK;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size_bytes) {
  return Below(file)->pMethods->xFileSize(Below(file), size_bytes);
}
int Lock(sqlite3_file* file, int kind) { return Below(file)->pMethods->xLock(Below(file), kind); }
int Unlock(sqlite3_file* file, int kind) { return Below(file)->pMethods->xUnlock(Below(file), kind); }
int CheckReservedLock(sqlite3_file* file, int* result) {
  return Below(file)->pMethods->xCheckReservedLock(Below(file), result);
}
int FileControl(sqlite3_file* file, int operation, void* argument) {
  return Below(file)->pMethods->xFileControl(Below(file), operation, argument);
}
int SectorSize(sqlite3_file* file) { return Below(file)->pMethods->xSectorSize(Below(file)); }
int DeviceCharacteristics(sqlite3_file* file) {
  return Below(file)->pMethods->xDeviceCharacteristics(Below(file));
}

// Version 1: without shared memory, which a database that one process has for itself does not need.
constexpr sqlite3_io_methods kMethods = {1,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr,
                                         nullptr};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  LayeredFile* const layered = Of(file);
  layered->base.pMethods = nullptr;
  layered->below = static_cast<sqlite3_file*>(sqlite3_malloc(system_vfs->szOsFile));
  const int result = system_vfs->xOpen(system_vfs, name, layered->below, flags, out_flags);
  if (result != SQLITE_OK) {
    sqlite3_free(layered->below);
    return result;
  }
  layered->path = new std::string(name != nullptr ? name : "");
  layered->base.pMethods = &kMethods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs*, const char* name, int sync_folder) {
  if (const int fault = current->Enter(SQLITE_IOERR_DELETE); fault != SQLITE_OK) return fault;
  current->RecordDelete(name);
  return system_vfs->xDelete(system_vfs, name, sync_folder);
}

sqlite3_vfs layered_vfs;

}  // namespace

FaultyVfs::FaultyVfs() {
  if (current != nullptr) throw std::logic_error("there is a FaultyVfs already");
  current = this;
  system_vfs = sqlite3_vfs_find(nullptr);
  layered_vfs = *system_vfs;
  layered_vfs.zName = "faulty";
  layered_vfs.szOsFile = sizeof(LayeredFile);
  layered_vfs.xOpen = Open;
  layered_vfs.xDelete = Delete;
  sqlite3_vfs_register(&layered_vfs, /*makeDflt=*/1);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&layered_vfs);
  sqlite3_vfs_register(system_vfs, /*makeDflt=*/1);
  current = nullptr;
}

void FaultyVfs::FailAt(int nth, const VfsFault& fault) {
  std::lock_guard lock(mutex_);
  calls_ = 0;
  fail_at_ = nth;
  fault_ = fault;
}

bool FaultyVfs::reached() const {
  std::lock_guard lock(mutex_);
  return cut_ || (fail_at_ > 0 && calls_ >= fail_at_);
}

void FaultyVfs::CutAt(int nth) {
  std::lock_guard lock(mutex_);
  calls_ = 0;
  cut_at_ = nth;
}

void FaultyVfs::StopSyncing() {
  std::lock_guard lock(mutex_);
  syncs_ = false;
}

int FaultyVfs::Enter(int fitting_code, bool* half) {
  std::lock_guard lock(mutex_);
  ++calls_;
  if (cut_at_ > 0 && calls_ >= cut_at_) cut_ = true;
  if (fail_at_ == 0 || calls_ < fail_at_ || (calls_ > fail_at_ && !fault_.stays)) return SQLITE_OK;
  if (half != nullptr) *half = fault_.short_write;
  return fault_.code != 0 ? fault_.code : fitting_code;
}

void FaultyVfs::Record(const std::string& path, int64_t offset, std::string_view bytes) {
  std::lock_guard lock(mutex_);
  if (!cut_) files_[path].Write(offset, bytes);
}

void FaultyVfs::RecordTruncate(const std::string& path, int64_t size_bytes) {
  std::lock_guard lock(mutex_);
  if (!cut_) files_[path].Truncate(size_bytes);
}

void FaultyVfs::RecordSync(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (!cut_ && syncs_) files_[path].Sync();
}

void FaultyVfs::RecordDelete(const std::string& path) {
  std::lock_guard lock(mutex_);
  if (!cut_) files_.erase(path);
}

void FaultyVfs::LosePower(const std::filesystem::path& from, const std::filesystem::path& to,
                          std::mt19937& random) {
  std::lock_guard lock(mutex_);
  std::filesystem::remove_all(to);
  std::filesystem::create_directories(to);
  for (const auto& [path, bytes] : files_) {
    const std::filesystem::path name(path);
    if (name.parent_path() != from) continue;
    std::ofstream(to / name.filename(), std::ios::binary) << bytes.AfterPowerLoss(random);
  }
}

}  // namespace kprune::testing
