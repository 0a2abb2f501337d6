#include "client/connection.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace kprune::client {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;
constexpr int kFirstReconnectMs = 100;
constexpr int kLongestReconnectMs = 2000;
// Servers of gRPC refuse pings more frequent than every five minutes by default.
constexpr int kKeepaliveMs = 6 * 60 * 1000;

bool IsLoopback(const std::string& address) {
  for (const char* prefix : {"127.", "localhost", "[::1]", "unix:"}) {
    if (absl::StartsWith(address, prefix)) return true;
  }
  return false;
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  // A proxy of the environment cannot reach this machine's own loopback.
  if (IsLoopback(address)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// Whether gRPC itself, rather than the server, gave the reason of an UNAVAILABLE.
bool IsTransportMessage(const std::string& message) {
  for (const char* part :
       {"failed to connect", "Socket closed", "Connection reset", "Connection refused", "Broken pipe",
        "DNS resolution", "GOAWAY", "keepalive", "recvmsg", "sendmsg", "Transport closed",
        "Cancelling all calls", "Endpoint", "empty address list", "Connect Failed"}) {
    if (absl::StrContains(message, part)) return true;
  }
  return message.empty();
}

}  // namespace

Connection::Connection(std::string address, Interrupt& interrupt)
    : address_(std::move(address)), interrupt_(interrupt), channel_(OpenChannel(address_)) {
  artifacts_ = kprune::v1::ArtifactService::NewStub(channel_);
  jobs_ = kprune::v1::JobService::NewStub(channel_);
  server_ = kprune::v1::ServerService::NewStub(channel_);
}

absl::Status Connection::Explain(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  const std::string& message = status.error_message();
  if (absl::Status interrupted = interrupt_.status(); !interrupted.ok()) return interrupted;
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      if (!IsTransportMessage(message)) break;
      return absl::Status(code,
                          absl::StrCat("no server can be reached at ", address_,
                                       "; start one with kprune-server, or name another with --server or "
                                       "KPRUNE_SERVER"));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::Status(
          code, absl::StrCat("the server at ", address_, " did not answer within ",
                             absl::ToInt64Seconds(kUnaryTimeout), " s; try again, or look at its log"));
    case grpc::StatusCode::CANCELLED:
      return absl::UnavailableError(absl::StrCat("the server at ", address_,
                                                 ", or something between, ended the call",
                                                 message.empty() ? "" : ": ", message, "; try again"));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::Status(
          code, absl::StrCat("the server at ", address_,
                             " does not know this call; it is not a kprune-server or an older one"));
    default:
      break;
  }
  return absl::Status(code, message.empty()
                                ? absl::StrCat("the server at ", address_, " answered ",
                                               absl::StatusCodeToString(code), " without a reason")
                                : message);
}

CallContext::CallContext(const Connection& connection, Kind kind)
    : scope_(connection.interrupt(), [this](int) { context_.TryCancel(); }) {
  if (kind == Kind::kUnary) context_.set_deadline(absl::ToChronoTime(absl::Now() + kUnaryTimeout));
}

bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace kprune::client
