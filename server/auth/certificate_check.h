// Whether certificates can be served, before they are.
#ifndef KPRUNE_SERVER_AUTH_CERTIFICATE_CHECK_H_
#define KPRUNE_SERVER_AUTH_CERTIFICATE_CHECK_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace kprune {

// A PEM file that was read. Its name is for sentences.
struct PemFile {
  std::string name;
  std::string text;
};

// When the first certificate of the chain expires. FailedPrecondition, in one sentence that names the file,
// where `chain` has no certificate, one that is expired or not yet valid, or where `key` is no private key
// without a password or not that of the chain's first certificate.
absl::StatusOr<absl::Time> CheckIdentity(const PemFile& chain, const PemFile& key, absl::Time now);

// When the first of those authorities expires that are valid now. FailedPrecondition where none is, or where
// the file has no certificate.
absl::StatusOr<absl::Time> CheckAuthorities(const PemFile& authorities, absl::Time now);

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_CERTIFICATE_CHECK_H_
