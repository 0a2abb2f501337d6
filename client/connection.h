// The channel to a kprune-server, and what its answers mean to a person.
#ifndef KPRUNE_CLIENT_CONNECTION_H_
#define KPRUNE_CLIENT_CONNECTION_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/interrupt.h"
#include "client/server_flags.h"
#include "kprune/v1/artifact_service.grpc.pb.h"
#include "kprune/v1/job_service.grpc.pb.h"
#include "kprune/v1/server_service.grpc.pb.h"

namespace kprune::client {

// A new span for this command: of the trace of `given`, of a new one where that is null or no traceparent.
std::string MakeTraceParent(const char* given);

// One server and the stubs of its services. Thread-safe. Connects at the first call.
class Connection {
 public:
  // Without TLS and without a token.
  Connection(const std::string& address, Interrupt& interrupt)
      : Connection(ServerFlags{.address = address}, "", interrupt) {}

  // NotFound or FailedPrecondition where a file of the flags cannot be used, FailedPrecondition where a token
  // would be sent in the clear to another machine. `interrupt` must outlive the connection and all calls.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const ServerFlags& flags, Interrupt& interrupt);

  kprune::v1::ArtifactService::StubInterface& artifacts() const { return *artifacts_; }
  kprune::v1::JobService::StubInterface& jobs() const { return *jobs_; }
  kprune::v1::ServerService::StubInterface& server() const { return *server_; }
  // For services that are not of kprune.v1.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  Interrupt& interrupt() const { return interrupt_; }
  const std::string& address() const { return flags_.address; }
  // What the calls are told that they belong to (kprune/trace_parent.h).
  const std::string& trace_parent() const { return trace_parent_; }

  // Says who calls, by the token that the file has now.
  void AddToken(grpc::ClientContext& context) const;

  // The same code, with one sentence that says what to do. OK stays OK.
  absl::Status Explain(const grpc::Status& status) const;

 private:
  Connection(const ServerFlags& flags, std::string token, Interrupt& interrupt);

  // Constant after construction.
  const ServerFlags flags_;
  const std::string first_token_;  // what the file had when the connection was opened; empty: none
  const std::string trace_parent_ = MakeTraceParent(std::getenv("TRACEPARENT"));
  Interrupt& interrupt_;
  std::shared_ptr<grpc::Channel> channel_;  // shared with the stubs
  std::unique_ptr<kprune::v1::ArtifactService::StubInterface> artifacts_;
  std::unique_ptr<kprune::v1::JobService::StubInterface> jobs_;
  std::unique_ptr<kprune::v1::ServerService::StubInterface> server_;
};

// The context of one call, which a signal cancels. Calls that are not streams end after kUnaryTimeout.
class CallContext {
 public:
  enum class Kind { kUnary, kStream };
  CallContext(const Connection& connection, Kind kind);

  grpc::ClientContext* get() { return &context_; }

 private:
  grpc::ClientContext context_;
  Interrupt::Scope scope_;  // after context_: it is unregistered first
};

inline constexpr absl::Duration kUnaryTimeout = absl::Seconds(60);

// Whether the same call may succeed after a while: the server is not there, or the connection broke.
bool IsTransient(const absl::Status& status);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_CONNECTION_H_
