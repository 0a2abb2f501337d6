// What decides about the callers of this server, put together from the flags.
#ifndef KPRUNE_SERVER_SECURITY_H_
#define KPRUNE_SERVER_SECURITY_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "kprune/caller.h"
#include "kprune/clock.h"
#include "kprune/metrics.h"
#include "server/auth/access_control.h"
#include "server/auth/access_directory.h"
#include "server/auth/audit_log.h"
#include "server/auth/certificate_keeper.h"
#include "server/flags.h"

namespace kprune {

// Each part but access is null where no flag asks for it.
struct Security {
  std::unique_ptr<AccessDirectory> directory;
  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<CertificateKeeper> certificates;
  std::unique_ptr<AccessControl> access;
  std::unique_ptr<TenantDirectory> single_tenant;  // where no directory knows others

  const TenantDirectory& tenants() const { return directory != nullptr ? *directory : *single_tenant; }
};

// Refuses flags that would leave the server open by oversight (server/exposure.h), and files that cannot be
// used. Borrows `clock` and `metrics`.
absl::StatusOr<Security> SetUpSecurity(const ServerFlags& flags, Clock& clock, Metrics& metrics);

}  // namespace kprune

#endif  // KPRUNE_SERVER_SECURITY_H_
