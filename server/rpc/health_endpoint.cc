#include "server/rpc/health_endpoint.h"

#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/host_and_port.h"
#include "server/rpc/without_reflection.h"

namespace kprune {
namespace {

// A request is the name of a service.
constexpr int kMaxHealthRequestBytes = 4 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<HealthEndpoint>> HealthEndpoint::Start(const std::string& address) {
  if (!IsHostAndPort(address)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--health-listen \"", address,
        "\" is not HOST:PORT with a port from 0 to 65535, for example 127.0.0.1:8471; off serves none"));
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  builder.SetOption(std::make_unique<WithoutReflection>());
  // gRPC builds no server that has its own services alone. This one refuses every call.
  auto others = std::make_unique<grpc::CallbackGenericService>();
  builder.RegisterCallbackGenericService(others.get());
  builder.SetMaxReceiveMessageSize(kMaxHealthRequestBytes);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(absl::StrCat("cannot listen on ", address,
                                               "; it is in use or no HOST:PORT of this machine, choose "
                                               "another with --health-listen"));
  }
  std::unique_ptr<HealthEndpoint> endpoint(new HealthEndpoint(std::move(others), std::move(server), port));
  endpoint->server_->GetHealthCheckService()->SetServingStatus(kLiveness, true);
  endpoint->SetServing(false);
  return endpoint;
}

HealthEndpoint::HealthEndpoint(std::unique_ptr<grpc::CallbackGenericService> others,
                               std::unique_ptr<grpc::Server> server, int port)
    : others_(std::move(others)), server_(std::move(server)), port_(port) {}

void HealthEndpoint::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus("", serving);
}

}  // namespace kprune
