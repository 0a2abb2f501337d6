// The door of the services: every method of every service begins with Gate::Admit, which finds out whose call
// it is and refuses those that may not be made. What went through it, and what did not, is audited; a stream
// that is open when its caller loses what it was let in by is ended.
#ifndef KPRUNE_SERVER_RPC_GATE_H_
#define KPRUNE_SERVER_RPC_GATE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_interceptor.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/status/status.h"
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

  // Ends every open stream whose caller may no longer make it, with the error of AccessControl::MayGoOn. Call
  // it when others may call than before.
  void EndRevokedStreams();

  // Give it to grpc::ServerBuilder: it sees how calls end. Without it nothing is audited, and no stream
  // ended.
  std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeWatcher();

 private:
  class WatchedCall;
  class Watcher;

  // From before the call's method is run until its context goes.
  struct OpenCall {
    AuditEntry entry;
    bool is_stream = false;
    // Of a stream that was let in: who for, and gRPC's own call, held so that it can be ended.
    Credentials credentials;
    Caller caller;
    std::shared_ptr<grpc_call> stream;
    absl::Status revoked;  // what it was ended with
  };

  // Null where no Watcher watches the call; with mutex_ held.
  OpenCall* Find(const grpc::ServerContextBase& context);

  // What the call was ended with by EndRevokedStreams; OK where it was not.
  absl::Status RevokedStatus(const grpc::ServerContextBase& context);

  AccessControl& access_;
  AuditLog* const audit_;

  std::mutex mutex_;
  // The open calls that a Watcher watches; guarded by mutex_.
  std::unordered_map<const grpc::ServerContextBase*, OpenCall> open_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_GATE_H_
