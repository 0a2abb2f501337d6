// What a loss of power leaves of files: what was synced, and of the rest whatever happened to reach the disk.
// A model of a disk with a cache; FaultyVfs and PowerLossDisk record into it what a program does.
#ifndef KPRUNE_TESTS_FAULTS_UNSYNCED_FILES_H_
#define KPRUNE_TESTS_FAULTS_UNSYNCED_FILES_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace kprune::testing {

// One file's bytes, whatever its name.
class UnsyncedBytes {
 public:
  void Write(int64_t offset, std::string_view bytes) { pending_.push_back({offset, std::string(bytes)}); }
  void Truncate(int64_t size_bytes) { pending_.push_back({size_bytes, {}, true}); }

  void Sync() {
    for (const Change& change : pending_) Apply(change, change.bytes.size(), durable_);
    pending_.clear();
  }

  // Each change that was not synced is there, or not, or, of a write, its beginning is.
  std::string AfterPowerLoss(std::mt19937& random) const {
    std::string bytes = durable_;
    for (const Change& change : pending_) {
      const unsigned luck = random() % 4;
      if (luck == 0) continue;
      const size_t torn = change.bytes.empty() ? 0 : random() % change.bytes.size();
      Apply(change, luck == 1 ? torn : change.bytes.size(), bytes);
    }
    return bytes;
  }

 private:
  struct Change {
    int64_t offset = 0;
    std::string bytes;
    bool truncates = false;
  };

  static void Apply(const Change& change, size_t count, std::string& bytes) {
    const size_t offset = static_cast<size_t>(change.offset);
    if (change.truncates) return bytes.resize(offset);
    if (bytes.size() < offset + count) bytes.resize(offset + count);
    bytes.replace(offset, count, change.bytes, 0, count);
  }

  std::string durable_;
  std::vector<Change> pending_;
};

// The names of files in folders. Not thread-safe.
class UnsyncedNames {
 public:
  using File = std::shared_ptr<UnsyncedBytes>;

  // The file of that name now; null where there is none.
  File Find(const std::string& path) const {
    const auto place = now_.find(path);
    return place == now_.end() ? nullptr : place->second;
  }

  void Link(const std::string& path, File file) { Change({{path, std::move(file)}}); }
  void Unlink(const std::string& path) { Change({{path, nullptr}}); }
  void Rename(const std::string& from, const std::string& to) { Change({{from, nullptr}, {to, Find(from)}}); }

  void SyncFolder(const std::string& folder) {
    std::erase_if(pending_, [&](const Names& change) {
      const bool concerns = std::any_of(change.begin(), change.end(), [&](const auto& name) {
        return name.first.substr(0, name.first.rfind('/')) == folder;
      });
      if (concerns) Apply(change, durable_);
      return concerns;
    });
  }

  // A change of names is there whole or not at all.
  std::map<std::string, File> AfterPowerLoss(std::mt19937& random) const {
    std::map<std::string, File> names = durable_;
    for (const Names& change : pending_) {
      if (random() % 2 == 0) Apply(change, names);
    }
    return names;
  }

 private:
  using Names = std::map<std::string, File>;  // null: the name is removed

  void Change(const Names& change) {
    Apply(change, now_);
    pending_.push_back(change);
  }

  static void Apply(const Names& change, Names& names) {
    for (const auto& [path, file] : change) {
      if (file == nullptr) {
        names.erase(path);
      } else {
        names[path] = file;
      }
    }
  }

  Names now_, durable_;
  std::vector<Names> pending_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_FAULTS_UNSYNCED_FILES_H_
