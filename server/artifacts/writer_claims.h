// Who is uploading what: one writer a digest.
#ifndef KPRUNE_SERVER_ARTIFACTS_WRITER_CLAIMS_H_
#define KPRUNE_SERVER_ARTIFACTS_WRITER_CLAIMS_H_

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace kprune {

class WriterClaims;

// The right to upload one digest, given back on destruction. Must not outlive its WriterClaims.
class WriterClaim {
 public:
  WriterClaim(WriterClaim&& other) noexcept;
  WriterClaim& operator=(WriterClaim&&) = delete;
  ~WriterClaim();

  const std::string& sha256() const { return sha256_; }

  // What others are told to be the committed size.
  void SetCommitted(int64_t committed_bytes);

 private:
  friend class WriterClaims;
  WriterClaim(WriterClaims* claims, std::string sha256);

  WriterClaims* claims_;
  std::string sha256_;
};

// Thread-safe.
class WriterClaims {
 public:
  // Aborted with the committed size while somebody else has the claim.
  absl::StatusOr<WriterClaim> Claim(std::string_view sha256, int64_t committed_bytes);

  // Nothing where nobody is uploading it.
  std::optional<int64_t> CommittedBytes(std::string_view sha256);

 private:
  friend class WriterClaim;

  std::mutex mutex_;
  // Digests being uploaded, with their committed size. Guarded by mutex_.
  std::map<std::string, int64_t, std::less<>> writers_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_WRITER_CLAIMS_H_
