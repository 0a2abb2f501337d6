#include "server/grpc_endpoint.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/host_and_port.h"
#include "server/rpc/rpc_timer.h"
#include "server/rpc/unreadable_request.h"
#include "server/rpc/without_reflection.h"

namespace kprune {
namespace {

// A chunk of 1 MiB with room, so that a larger one meets our own refusal and its sentence.
constexpr int kMaxMessageBytes = 5 << 20;

// A client that vanished without a word is noticed, and its upload given free.
constexpr int kKeepaliveTimeMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
// Clients may ask as often as this whether the server is there.
constexpr int kMinClientPingMs = 5'000;

// What a stream may send beyond the message that is being read: a client that is faster than the disk waits,
// and what is lost when its connection breaks is little more than one chunk. gRPC would let it grow with the
// line.
constexpr int kLookaheadBytes = 64 << 10;

constexpr const char* kHealthNames[] = {"", "kprune.v1.JobService", "kprune.v1.ArtifactService",
                                        "kprune.v1.ServerService"};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcEndpoint>> GrpcEndpoint::Start(const std::string& address,
                                                                  const std::vector<grpc::Service*>& services,
                                                                  Metrics* metrics,
                                                                  GrpcEndpointOptions options) {
  // gRPC would take any text for a name, and a port modulo 65536.
  if (!IsHostAndPort(address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen address \"", address,
                     "\" is not HOST:PORT with a port from 0 to 65535, for example "
                     "127.0.0.1:8470"));
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  if (!options.reflection) builder.SetOption(std::make_unique<WithoutReflection>());
  if (options.credentials == nullptr) options.credentials = grpc::InsecureServerCredentials();
  int port = 0;
  builder.AddListeningPort(address, options.credentials, &port);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // Else a second server would share the port without a word.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveTimeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kMinClientPingMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, kLookaheadBytes);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  for (grpc::Service* service : services) builder.RegisterService(service);
  auto& interceptors = options.interceptors;
  // In the order in which they see a status on its way out: the timer counts what the client gets.
  interceptors.push_back(std::make_unique<UnreadableRequestFactory>());
  interceptors.push_back(std::make_unique<RpcTimerFactory>(metrics));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen on ", address,
                     "; it is in use or no HOST:PORT of this machine, choose another with --listen"));
  }
  std::unique_ptr<GrpcEndpoint> endpoint(new GrpcEndpoint(std::move(server), port));
  endpoint->SetServing(false);
  TellMethodsServed(*metrics);
  return endpoint;
}

GrpcEndpoint::GrpcEndpoint(std::unique_ptr<grpc::Server> server, int port)
    : server_(std::move(server)), port_(port) {}

void GrpcEndpoint::SetServing(bool serving) {
  for (const char* name : kHealthNames) server_->GetHealthCheckService()->SetServingStatus(name, serving);
}

void GrpcEndpoint::Shutdown(absl::Time deadline) { server_->Shutdown(absl::ToChronoTime(deadline)); }

}  // namespace kprune
