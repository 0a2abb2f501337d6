#include "server/auth/access_control.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/auth/access_policy.h"

namespace kprune {
namespace {

constexpr std::string_view kBearer = "Bearer ";

absl::Status NoCredentials() {
  return absl::UnauthenticatedError(
      "This server asks who calls; send a token (kprune --token-file FILE) or a client certificate that it "
      "knows.");
}

absl::Status UnknownCredentials(const char* kind) {
  return absl::UnauthenticatedError(
      absl::StrCat("The ", kind, " is none that this server knows; ask its operator for one."));
}

// The token, or "" where it is no bearer token.
std::string_view TokenOf(const std::string& authorization) {
  if (!absl::StartsWithIgnoreCase(authorization, {kBearer.data(), kBearer.size()})) return "";
  return std::string_view(authorization).substr(kBearer.size());
}

}  // namespace

AccessControl::AccessControl(const AccessControlOptions& options, Clock& clock, Metrics& metrics)
    : options_(options), metrics_(metrics), limiter_(clock) {}

absl::StatusOr<Caller> AccessControl::Identify(const Credentials& credentials) const {
  const std::vector<std::string>& names = credentials.certificate_names;
  if (options_.directory == nullptr) {
    if (!options_.certificate_required) return Caller();
    if (names.empty()) return NoCredentials();
    return Caller{kDefaultTenant, Role::kAdmin, names[0]};
  }
  std::optional<Caller> caller;
  if (!credentials.authorization.empty()) {
    caller = options_.directory->FindByToken(TokenOf(credentials.authorization));
    if (!caller) return UnknownCredentials("token");
  } else {
    if (names.empty()) return NoCredentials();
    caller = options_.directory->FindByCertificate(names);
    if (!caller) return UnknownCredentials("client certificate");
  }
  return *caller;
}

absl::StatusOr<Caller> AccessControl::Admit(std::string_view method, const Credentials& credentials) {
  const absl::StatusOr<Caller> caller = Identify(credentials);
  if (!caller.ok()) {
    const bool none = credentials.authorization.empty() && credentials.certificate_names.empty();
    metrics_.OnAuthFailure(none ? "no_token" : "bad_token");
    return caller;
  }
  const double most =
      options_.directory != nullptr ? options_.directory->LimitsOf(caller->tenant).max_calls_per_second : 0;
  if (!limiter_.Take(caller->tenant, most)) {
    metrics_.OnAuthFailure("rate_limit");
    return absl::ResourceExhaustedError(absl::StrCat("Tenant ", caller->tenant, " may make ", most,
                                                     " calls a second and makes more; wait a second and "
                                                     "try again."));
  }
  const MethodPolicy* const policy = FindPolicy(method);
  if (policy != nullptr && policy->Allows(caller->role)) return caller;
  metrics_.OnAuthFailure("lacking_role");
  const std::string_view role = RoleName(caller->role);
  return absl::PermissionDeniedError(absl::StrCat("The role ", std::string(role), " of ", caller->subject,
                                                  " may not call ", std::string(method),
                                                  "; ask the server's operator for another role."));
}

absl::Status AccessControl::MayGoOn(std::string_view method, const Credentials& credentials,
                                    const Caller& admitted) const {
  const absl::StatusOr<Caller> now = Identify(credentials);
  if (!now.ok()) {
    return absl::UnauthenticatedError(
        absl::StrCat("The ", credentials.authorization.empty() ? "client certificate" : "token",
                     " that this stream began with is none that this server knows any more; ask its operator "
                     "for another and call again."));
  }
  if (now->tenant != admitted.tenant) {
    return absl::UnauthenticatedError(absl::StrCat("Who this stream began for acts for tenant ", now->tenant,
                                                   " now and no longer for ", admitted.tenant,
                                                   "; call again to act for ", now->tenant, "."));
  }
  const MethodPolicy* const policy = FindPolicy(method);
  const bool was_admin = admitted.role == Role::kAdmin && now->role != Role::kAdmin;
  if (policy != nullptr && policy->Allows(now->role) && !was_admin) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("Who this stream began for was ", std::string(RoleName(admitted.role)), " and is ",
                   std::string(RoleName(now->role)),
                   " now; call again for what that role may, or ask the server's operator for another."));
}

}  // namespace kprune
