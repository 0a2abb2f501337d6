// Gives a request whose bytes are no message its refusal: gRPC would answer UNIMPLEMENTED without a word.
#ifndef KPRUNE_SERVER_RPC_UNREADABLE_REQUEST_H_
#define KPRUNE_SERVER_RPC_UNREADABLE_REQUEST_H_

#include <grpcpp/support/server_interceptor.h>

namespace kprune {

// Give it to grpc::ServerBuilder. Thread-safe. A method that the server does not know stays UNIMPLEMENTED.
class UnreadableRequestFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_UNREADABLE_REQUEST_H_
