// The door of the services: every method of every service begins with Gate::Admit, which finds out whose call
// it is and refuses those that may not be made. What went through it, and what did not, is audited.
#ifndef KPRUNE_SERVER_RPC_GATE_H_
#define KPRUNE_SERVER_RPC_GATE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_interceptor.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "kprune/caller.h"
#include "server/auth/access_control.h"
#include "server/auth/audit_log.h"

namespace kprune {

// Thread-safe. Borrows what it is given; `audit` may be null. Must outlive the gRPC server.
class Gate {
 public:
  Gate(AccessControl& access, AuditLog* audit) : access_(access), audit_(audit) {}

  // Whose call it is, from its token or the certificate of its connection; the errors are those of
  // AccessControl::Admit. `method`: "kprune.v1.JobService/GetJob"; `resource`: what the call is about, for
  // the audit log.
  absl::StatusOr<Caller> Admit(grpc::CallbackServerContext& context, std::string_view method,
                               std::string_view resource = "");

  // The call turned out to be about this. Not after it was finished.
  void NameResource(const grpc::ServerContextBase& context, std::string_view resource);

  // Give it to grpc::ServerBuilder where there is an audit log: it sees how calls end.
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeAuditor();

 private:
  class CallAudit;
  class Auditor;

  // The entry of a call that an Auditor watches, or null; with mutex_ held.
  AuditEntry* Find(const grpc::ServerContextBase& context);

  AccessControl& access_;
  AuditLog* const audit_;

  std::mutex mutex_;
  // The open calls that an Auditor watches; guarded by mutex_.
  std::unordered_map<const grpc::ServerContextBase*, AuditEntry> open_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_GATE_H_
