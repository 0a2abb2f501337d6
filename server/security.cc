#include "server/security.h"

#include <utility>

#include "kprune/loopback.h"
#include "server/exposure.h"
#include "server/log.h"
#include "server/single_tenant.h"

namespace kprune {

absl::StatusOr<Security> SetUpSecurity(const ServerFlags& flags, Clock& clock, Metrics& metrics) {
  if (absl::Status closed = CheckExposure(flags); !closed.ok()) return closed;
  if (flags.insecure && !IsLoopback(flags.listen))
    LogWarning("insecure", {{"listen", flags.listen},
                            {"tls", flags.tls_cert.empty() ? "off" : "on"},
                            {"advice", "--insecure lets anybody on the network in; use it for trials only"}});
  Security security;
  if (!flags.access_file.empty()) {
    auto directory = AccessDirectory::Open(flags.access_file, metrics);
    if (!directory.ok()) return directory.status();
    security.directory = *std::move(directory);
  } else {
    security.single_tenant = std::make_unique<SingleTenant>();
  }
  if (!flags.audit_log.empty()) {
    auto audit = AuditLog::Open(flags.audit_log);
    if (!audit.ok()) return audit.status();
    security.audit = *std::move(audit);
  }
  if (!flags.tls_cert.empty()) {
    auto certificates =
        CertificateKeeper::Open({flags.tls_cert, flags.tls_key, flags.tls_client_ca}, clock, metrics);
    if (!certificates.ok()) return certificates.status();
    security.certificates = *std::move(certificates);
  }
  security.access = std::make_unique<AccessControl>(
      AccessControlOptions{security.directory.get(), !flags.tls_client_ca.empty()}, clock, metrics);
  return security;
}

}  // namespace kprune
