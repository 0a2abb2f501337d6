// Who may call what: one row for each method of the services. A method without a row is open to nobody.
#ifndef KPRUNE_SERVER_AUTH_ACCESS_POLICY_H_
#define KPRUNE_SERVER_AUTH_ACCESS_POLICY_H_

#include <string_view>

#include "kprune/caller.h"

namespace kprune {

struct MethodPolicy {
  std::string_view method;  // "kprune.v1.JobService/GetJob"
  // The first role of viewer, submitter and admin that may call it.
  Role least = Role::kAdmin;
  // Whether a monitor may, too: it tells nothing of any tenant.
  bool monitor = false;

  bool Allows(Role role) const { return role == Role::kMonitor ? monitor : role >= least; }
};

// nullptr where the method has no row.
const MethodPolicy* FindPolicy(std::string_view method);

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_ACCESS_POLICY_H_
