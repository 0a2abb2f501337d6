// Decides about every call: who makes it, whether that role may, and whether its tenant calls too often.
#ifndef KPRUNE_SERVER_AUTH_ACCESS_CONTROL_H_
#define KPRUNE_SERVER_AUTH_ACCESS_CONTROL_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "kprune/caller.h"
#include "kprune/clock.h"
#include "kprune/metrics.h"
#include "server/auth/access_directory.h"
#include "server/auth/call_limiter.h"

namespace kprune {

// What a call says of who makes it.
struct Credentials {
  // The metadata of that name: "Bearer TOKEN"; empty: none.
  std::string authorization;
  // Of a client certificate that an accepted authority signed: its alternative names, then its common name.
  std::vector<std::string> certificate_names;
};

struct AccessControlOptions {
  // Knows the identities; null where there is no access file. Borrowed.
  const AccessDirectory* directory = nullptr;
  // Without a directory: whether whoever has a certificate, and nobody else, is the default tenant's admin.
  // Otherwise everybody is.
  bool certificate_required = false;
};

// Thread-safe. Borrows `clock` and `metrics`, which is told of every refusal.
class AccessControl {
 public:
  AccessControl(const AccessControlOptions& options, Clock& clock, Metrics& metrics);

  // Whose call it is. Unauthenticated (says never how near a token was), PermissionDenied (the role may not,
  // or nobody may: the method has no policy), ResourceExhausted (too many calls a second).
  // `method`: "kprune.v1.JobService/GetJob". A token counts before a certificate; a wrong one is refused also
  // where the certificate is right.
  absl::StatusOr<Caller> Admit(std::string_view method, const Credentials& credentials);

  // Whether a stream that was let in for `admitted` may go on, by what is known now. Unauthenticated: the
  // credentials are nobody's any more, or act for another tenant; PermissionDenied: the role may no longer,
  // or is no admin's any more, which may have opened what is another tenant's.
  absl::Status MayGoOn(std::string_view method, const Credentials& credentials, const Caller& admitted) const;

 private:
  absl::StatusOr<Caller> Identify(const Credentials& credentials) const;

  // Constant after construction.
  const AccessControlOptions options_;
  Metrics& metrics_;

  CallLimiter limiter_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_ACCESS_CONTROL_H_
