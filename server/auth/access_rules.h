// The access file: which tokens and certificates are whose, and what each tenant may use.
//
//   {"tenants": {"team-a": {"max_queued_jobs": 100, "max_calls_per_second": 50}, "team-b": {}},
//    "identities": [
//      {"name": "ci", "token_sha256": "5e88...", "tenant": "team-a", "role": "submitter"},
//      {"name": "ops", "certificate": "ops.example.com", "tenant": "team-b", "role": "admin"},
//      {"name": "exporter", "token_sha256": "03ac...", "role": "monitor"}]}
//
// A token is only known by its SHA-256. That is enough of a hash because tokens are 256 random bits
// (kprune token): nobody can try them all, which is what slow hashes are for.
#ifndef KPRUNE_SERVER_AUTH_ACCESS_RULES_H_
#define KPRUNE_SERVER_AUTH_ACCESS_RULES_H_

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kprune/caller.h"

namespace kprune {

struct AccessRules {
  template <typename Value>
  using ByName = std::map<std::string, Value, std::less<>>;

  ByName<TenantLimits> tenants;
  // By 64 lower-case hexadecimal digits.
  ByName<Caller> by_token_sha256;
  // By a name in the certificate: a URI or DNS name among its alternative names, or its common name.
  ByName<Caller> by_certificate;
};

// Reads the file strictly: an unknown or repeated key, a wrong type, a tenant that is not listed or a
// credential that appears twice is InvalidArgument, in one sentence that names the file and the place.
// NotFound where it cannot be read.
absl::StatusOr<AccessRules> ReadAccessRules(const std::filesystem::path& file);

// The same for its text; `file` is for the sentences.
absl::StatusOr<AccessRules> ParseAccessRules(std::string_view text, std::string_view file);

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_ACCESS_RULES_H_
