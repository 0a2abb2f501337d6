// Who calls, and what the tenants of a service may use. A tenant is a team whose jobs and artifacts no other
// team sees; a caller acts for one tenant, with one role. server/auth finds both; server/jobs and
// server/artifacts obey them.
#ifndef KPRUNE_CALLER_H_
#define KPRUNE_CALLER_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace kprune {

// Each of the first three may also do what those before it may. kMonitor stands beside them: it reads what is
// counted over the whole service, and nothing of any tenant.
enum class Role { kViewer, kSubmitter, kAdmin, kMonitor };

inline constexpr std::array kRoles = {Role::kViewer, Role::kSubmitter, Role::kAdmin, Role::kMonitor};

// As it is written in the access file and in the log.
constexpr std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kViewer:
      return "viewer";
    case Role::kSubmitter:
      return "submitter";
    case Role::kAdmin:
      return "admin";
    case Role::kMonitor:
      return "monitor";
  }
  return "unknown";
}

// Whose everything is where nobody has to say who they are.
inline constexpr char kDefaultTenant[] = "default";

// Letters a to z, digits and hyphens, at most 63 of them, a letter or digit first: so it may stand in a path.
constexpr bool IsTenantName(std::string_view text) {
  if (text.empty() || text.size() > 63 || text[0] == '-') return false;
  for (const char c : text) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

// By default who calls a server that asks nobody who they are: its one tenant's admin.
struct Caller {
  // An admin acts for its own tenant where it creates, and may see and end what is of any tenant.
  std::string tenant = kDefaultTenant;
  Role role = Role::kAdmin;
  // The name of the token or certificate, for the log; never a secret.
  std::string subject = "anonymous";

  // Whether what belongs to `owner` is there for this caller at all.
  bool Sees(std::string_view owner) const { return role == Role::kAdmin || owner == tenant; }
};

// What one tenant may use; 0: no limit of its own.
struct TenantLimits {
  // Jobs that wait, jobs that run at the same time.
  int64_t max_queued_jobs = 0;
  int64_t max_running_jobs = 0;
  // Artifacts, partial uploads included.
  int64_t max_stored_bytes = 0;
  // Of workers on any device, within the last 30 days; a job that runs is not ended by it.
  double max_device_seconds = 0;
  double max_calls_per_second = 0;

  bool operator==(const TenantLimits&) const = default;
};

// Thread-safe; what it answers may change while the service runs.
class TenantDirectory {
 public:
  virtual ~TenantDirectory() = default;

  // Without limits for a tenant that is not configured.
  virtual TenantLimits LimitsOf(std::string_view tenant) const = 0;
};

}  // namespace kprune

#endif  // KPRUNE_CALLER_H_
