// How much a tenant has stored, kept as running sums, and whether more may come. An upload's bytes are
// reserved when it begins, so that uploads at the same time cannot pass the limit together.
#ifndef KPRUNE_SERVER_ARTIFACTS_STORED_BYTES_H_
#define KPRUNE_SERVER_ARTIFACTS_STORED_BYTES_H_

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"

namespace kprune {

class StoredBytes;

// Bytes that are on their way in; what is not kept is given back on destruction. Used by one thread at a
// time; must not outlive its StoredBytes.
class ReservedBytes {
 public:
  ReservedBytes(StoredBytes& stored, int64_t bytes) : stored_(&stored), bytes_(bytes) {}
  ReservedBytes(ReservedBytes&& other) noexcept
      : stored_(other.stored_), bytes_(std::exchange(other.bytes_, 0)) {}
  ReservedBytes& operator=(ReservedBytes&&) = delete;
  ~ReservedBytes();

  // So many of them are stored now, and stay counted.
  void Keep(int64_t bytes) { bytes_ -= bytes; }
  void KeepAll() { bytes_ = 0; }

 private:
  StoredBytes* stored_;
  int64_t bytes_;
};

// Thread-safe.
class StoredBytes {
 public:
  // `max_bytes` is asked each time, and may be null; null and 0: no limit.
  StoredBytes(std::string tenant, std::function<int64_t()> max_bytes)
      : tenant_(std::move(tenant)), max_bytes_(std::move(max_bytes)) {}

  // RESOURCE_EXHAUSTED, quota "bytes": they do not fit.
  absl::StatusOr<ReservedBytes> Reserve(int64_t bytes);

  // Bytes that came or went whatever the limit is: results, and what is removed (negative).
  void Add(int64_t bytes);

  // What is reserved included.
  int64_t used_bytes() const;

  // Whole artifacts that came, or went (negative), beside what their bytes are to the limit.
  void AddArtifacts(const ArtifactUsage& change);

  ArtifactUsage artifacts() const;

 private:
  // Constant after construction.
  const std::string tenant_;
  const std::function<int64_t()> max_bytes_;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  int64_t used_bytes_ = 0;
  ArtifactUsage artifacts_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_STORED_BYTES_H_
