// What every store refuses in the same words. Pure functions.
#ifndef KPRUNE_SERVER_ARTIFACTS_UPLOAD_RULES_H_
#define KPRUNE_SERVER_ARTIFACTS_UPLOAD_RULES_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace kprune {

// InvalidArgument unless `sha256` is a digest.
absl::Status CheckDigest(std::string_view sha256);

// InvalidArgument (size not positive) or ResourceExhausted (over `max_bytes`).
absl::Status CheckUploadSize(std::string_view sha256, int64_t size_bytes, int64_t max_bytes);

// The declared size against that of the stored artifact: InvalidArgument where they differ.
absl::Status CheckStoredSize(std::string_view sha256, int64_t declared_bytes, int64_t stored_bytes);

// OutOfRange when `bytes` more go past the declared size.
absl::Status CheckAppend(std::string_view sha256, int64_t have_bytes, int64_t bytes, int64_t size_bytes);

// InvalidArgument when the finished upload has another size or digest than declared.
absl::Status CheckFinished(std::string_view sha256, int64_t size_bytes, std::string_view actual_sha256,
                           int64_t actual_bytes);

// OutOfRange unless 0 <= offset <= size.
absl::Status CheckReadOffset(std::string_view sha256, int64_t offset, int64_t size_bytes);

absl::Status WrongOffset(std::string_view sha256, int64_t offset, int64_t committed_bytes);
absl::Status UploadInProgress(std::string_view sha256, int64_t committed_bytes);
absl::Status NotStored(std::string_view sha256);
// `actual_sha256` empty: the artifact is encrypted and damaged.
absl::Status Corrupt(std::string_view sha256, std::string_view actual_sha256);

}  // namespace kprune

#endif  // KPRUNE_SERVER_ARTIFACTS_UPLOAD_RULES_H_
