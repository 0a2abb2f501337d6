// Answers of calls that get no further.
#ifndef KPRUNE_SERVER_RPC_REFUSE_H_
#define KPRUNE_SERVER_RPC_REFUSE_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include "absl/status/status.h"
#include "server/rpc/status_mapping.h"

namespace kprune {

template <typename Reactor>
class RefusedStream final : public Reactor {
 public:
  explicit RefusedStream(const absl::Status& status) { this->Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

// A reactor that ends its stream at once with `status`; gRPC owns it through its callbacks.
template <typename Reactor>
Reactor* RefuseStream(const absl::Status& status) {
  return new RefusedStream<Reactor>(status);
}

inline grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_REFUSE_H_
