// grpc.health.v1 alone, on a port of its own without TLS: what a kubelet or a container engine can ask, which
// has no certificate. It tells nothing but whether the server serves.
#ifndef KPRUNE_SERVER_RPC_HEALTH_ENDPOINT_H_
#define KPRUNE_SERVER_RPC_HEALTH_ENDPOINT_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace kprune {

// Answers until destroyed. Thread-safe.
class HealthEndpoint {
 public:
  // The name that is SERVING as long as the process answers, whatever its queue, its devices and a drain do:
  // a probe that fails on it may restart the server. Those of the server ("") may not, since a restart would
  // end what a drain still waits for.
  static constexpr const char* kLiveness = "liveness";

  // `address` is HOST:PORT, port 0 for any free one. Unavailable where it cannot be bound. "" is NOT_SERVING
  // until SetServing(true).
  static absl::StatusOr<std::unique_ptr<HealthEndpoint>> Start(const std::string& address);

  int port() const { return port_; }

  void SetServing(bool serving);

 private:
  HealthEndpoint(std::unique_ptr<grpc::CallbackGenericService> others, std::unique_ptr<grpc::Server> server,
                 int port);

  const std::unique_ptr<grpc::CallbackGenericService> others_;  // outlives server_
  const std::unique_ptr<grpc::Server> server_;
  const int port_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_HEALTH_ENDPOINT_H_
