#include "server/artifacts/stored_bytes.h"

#include "server/quota.h"

namespace kprune {

ReservedBytes::~ReservedBytes() {
  if (bytes_ != 0) stored_->Add(-bytes_);
}

absl::StatusOr<ReservedBytes> StoredBytes::Reserve(int64_t bytes) {
  const int64_t max_bytes = max_bytes_ ? max_bytes_() : 0;
  std::lock_guard lock(mutex_);
  absl::Status fits = CheckStoredBytes(tenant_, used_bytes_, bytes, max_bytes);
  if (!fits.ok()) return fits;
  used_bytes_ += bytes;
  return ReservedBytes(*this, bytes);
}

void StoredBytes::Add(int64_t bytes) {
  std::lock_guard lock(mutex_);
  used_bytes_ += bytes;
}

int64_t StoredBytes::used_bytes() const {
  std::lock_guard lock(mutex_);
  return used_bytes_;
}

void StoredBytes::AddArtifacts(const ArtifactUsage& change) {
  std::lock_guard lock(mutex_);
  artifacts_.artifacts += change.artifacts;
  artifacts_.bytes += change.bytes;
}

ArtifactUsage StoredBytes::artifacts() const {
  std::lock_guard lock(mutex_);
  return artifacts_;
}

}  // namespace kprune
