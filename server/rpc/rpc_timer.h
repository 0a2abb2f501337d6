// Times every call of the server, streams included, and tells Metrics how it ended and how many are open.
#ifndef KPRUNE_SERVER_RPC_RPC_TIMER_H_
#define KPRUNE_SERVER_RPC_RPC_TIMER_H_

#include <grpcpp/support/server_interceptor.h>

#include "kprune/metrics.h"

namespace kprune {

// Give it to grpc::ServerBuilder. Thread-safe; `metrics` is borrowed and must outlive the server.
class RpcTimerFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit RpcTimerFactory(Metrics* metrics) : metrics_(metrics) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  Metrics* const metrics_;
};

// Tells which methods of kprune.v1 there are.
void TellMethodsServed(Metrics& metrics);

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_RPC_TIMER_H_
