#include "server/artifacts/writer_claims.h"

#include <utility>

#include "server/artifacts/upload_rules.h"

namespace kprune {

WriterClaim::WriterClaim(WriterClaims* claims, std::string sha256)
    : claims_(claims), sha256_(std::move(sha256)) {}

WriterClaim::WriterClaim(WriterClaim&& other) noexcept
    : claims_(std::exchange(other.claims_, nullptr)), sha256_(std::move(other.sha256_)) {}

WriterClaim::~WriterClaim() {
  if (claims_ == nullptr) return;
  std::lock_guard lock(claims_->mutex_);
  claims_->writers_.erase(sha256_);
}

void WriterClaim::SetCommitted(int64_t committed_bytes) {
  std::lock_guard lock(claims_->mutex_);
  claims_->writers_[sha256_] = committed_bytes;
}

absl::StatusOr<WriterClaim> WriterClaims::Claim(std::string_view sha256, int64_t committed_bytes) {
  std::lock_guard lock(mutex_);
  const auto [place, free] = writers_.emplace(std::string(sha256), committed_bytes);
  if (!free) return UploadInProgress(sha256, place->second);
  return WriterClaim(this, std::string(sha256));
}

std::optional<int64_t> WriterClaims::CommittedBytes(std::string_view sha256) {
  std::lock_guard lock(mutex_);
  const auto place = writers_.find(sha256);
  if (place == writers_.end()) return std::nullopt;
  return place->second;
}

}  // namespace kprune
