#include "server/artifacts/upload_rules.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "kprune/artifact_store.h"

namespace kprune {
namespace {

std::string Named(std::string_view sha256) { return "artifact " + std::string(sha256); }

}  // namespace

absl::Status CheckDigest(std::string_view sha256) {
  if (IsArtifactDigest(sha256)) return absl::OkStatus();
  constexpr size_t kShown = 80;
  const std::string shown(sha256.substr(0, kShown));
  return absl::InvalidArgumentError(
      absl::StrCat("sha256 \"", absl::CHexEscape(shown), sha256.size() > kShown ? "..." : "", "\" (",
                   sha256.size(), " bytes) is not a digest of 64 lower-case hexadecimal digits"));
}

absl::Status CheckUploadSize(std::string_view sha256, int64_t size_bytes, int64_t max_bytes) {
  if (size_bytes <= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("size of ", Named(sha256), " is ", size_bytes, " bytes; it must be positive"));
  }
  if (size_bytes > max_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("size of ", Named(sha256), " is ", size_bytes,
                                                     " bytes; this server takes at most ", max_bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckStoredSize(std::string_view sha256, int64_t declared_bytes, int64_t stored_bytes) {
  if (declared_bytes == stored_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("size ", declared_bytes, " is not that of ", Named(sha256),
                                                 ", which is stored with ", stored_bytes, " bytes"));
}

absl::Status CheckAppend(std::string_view sha256, int64_t have_bytes, int64_t bytes, int64_t size_bytes) {
  if (bytes <= size_bytes - have_bytes) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("a chunk of ", bytes, " bytes at ", have_bytes, " goes past the ",
                                            size_bytes, " bytes declared for ", Named(sha256)));
}

absl::Status CheckFinished(std::string_view sha256, int64_t size_bytes, std::string_view actual_sha256,
                           int64_t actual_bytes) {
  if (actual_bytes != size_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the upload of ", Named(sha256), " ended at ",
                                                   actual_bytes, " of its declared ", size_bytes,
                                                   " bytes and was removed; send it again, whole"));
  }
  if (actual_sha256 != sha256) {
    return absl::InvalidArgumentError(
        absl::StrCat("the bytes sent for ", Named(sha256), " have SHA-256 ", std::string(actual_sha256),
                     " and were removed; send them again under their own digest"));
  }
  return absl::OkStatus();
}

absl::Status CheckReadOffset(std::string_view sha256, int64_t offset, int64_t size_bytes) {
  if (offset >= 0 && offset <= size_bytes) return absl::OkStatus();
  return absl::OutOfRangeError(
      absl::StrCat("offset ", offset, " is outside ", Named(sha256), "; 0 to ", size_bytes, " is accepted"));
}

absl::Status WrongOffset(std::string_view sha256, int64_t offset, int64_t committed_bytes) {
  return absl::AbortedError(absl::StrCat("offset ", offset, " is not where the upload of ", Named(sha256),
                                         " stands; continue at its committed size ", committed_bytes));
}

absl::Status UploadInProgress(std::string_view sha256, int64_t committed_bytes) {
  return absl::AbortedError(absl::StrCat("another upload of ", Named(sha256),
                                         " is in progress, with a committed size of ", committed_bytes,
                                         "; wait for it or try again"));
}

absl::Status NotStored(std::string_view sha256) {
  return absl::NotFoundError(absl::StrCat(Named(sha256), " is not stored; upload it first"));
}

absl::Status Corrupt(std::string_view sha256, std::string_view actual_sha256) {
  const std::string found = actual_sha256.empty() ? "cannot be decrypted any more"
                                                  : "now have SHA-256 " + std::string(actual_sha256);
  return absl::DataLossError(
      absl::StrCat("the stored bytes of ", Named(sha256), " ", found, "; it was set aside, upload it again"));
}

}  // namespace kprune
