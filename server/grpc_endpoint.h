// The gRPC server around the services: limits, keep-alive, health, reflection and timing of every call.
#ifndef KPRUNE_SERVER_GRPC_ENDPOINT_H_
#define KPRUNE_SERVER_GRPC_ENDPOINT_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/support/server_interceptor.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kprune/metrics.h"

namespace kprune {

struct GrpcEndpointOptions {
  // Null: without TLS.
  std::shared_ptr<grpc::ServerCredentials> credentials;
  // Whether anybody may ask which services and messages there are.
  bool reflection = true;
  // More that see every call, such as Gate::MakeWatcher().
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
};

// Serves until destroyed. Health (grpc.health.v1) answers NOT_SERVING until SetServing(true).
class GrpcEndpoint {
 public:
  // `address` is HOST:PORT, port 0 for any free one. Borrows `services` and `metrics`. Unavailable where the
  // address cannot be bound.
  static absl::StatusOr<std::unique_ptr<GrpcEndpoint>> Start(const std::string& address,
                                                             const std::vector<grpc::Service*>& services,
                                                             Metrics* metrics,
                                                             GrpcEndpointOptions options = {});

  int port() const { return port_; }

  // For "" and for every service of kprune.v1 by name.
  void SetServing(bool serving);

  // Takes no new call, waits for the open ones until `deadline`, then cancels them.
  void Shutdown(absl::Time deadline);

 private:
  GrpcEndpoint(std::unique_ptr<grpc::Server> server, int port);

  const std::unique_ptr<grpc::Server> server_;
  const int port_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_GRPC_ENDPOINT_H_
