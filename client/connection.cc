#include "client/connection.h"

#include <grpcpp/create_channel.h>

#include <random>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "credentials/channel_credentials.h"
#include "credentials/token_file.h"
#include "kprune/loopback.h"
#include "kprune/trace_parent.h"

namespace kprune::client {
namespace {

constexpr int kMaxMessageBytes = 64 << 20;
// Until the other side has said its first word, which takes several ways there and back with TLS.
constexpr int kConnectMs = 10 * 1000;
constexpr int kFirstReconnectMs = 100;
constexpr int kLongestReconnectMs = 2000;
// Servers of gRPC refuse pings more frequent than every five minutes by default.
constexpr int kKeepaliveMs = 6 * 60 * 1000;

bool UsesTls(const ServerFlags& flags) {
  return !flags.tls_ca.empty() || !flags.tls_cert.empty() || !flags.tls_server_name.empty();
}

// A socket of this machine is as near.
bool IsNear(const std::string& address) { return absl::StartsWith(address, "unix:") || IsLoopback(address); }

std::shared_ptr<grpc::Channel> OpenChannel(const ServerFlags& flags) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // By its name a wait between tries; what it bounds from below is how long one may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  // A proxy of the environment cannot reach this machine's own loopback.
  if (IsNear(flags.address)) arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!flags.tls_server_name.empty()) arguments.SetSslTargetNameOverride(flags.tls_server_name);
  return grpc::CreateCustomChannel(
      flags.address, MakeChannelCredentials({flags.tls_ca, flags.tls_cert, flags.tls_key}), arguments);
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

// What to try where the other side was there and wanted none of it.
const char* AdviceOnHangUp(const std::string& message, const ServerFlags& flags) {
  if (!absl::StrContains(message, "closed") && !absl::StrContains(message, "reset")) return "";
  if (!UsesTls(flags)) return "; if it speaks TLS, give --tls-ca";
  return flags.tls_cert.empty() ? "; if it asks for a certificate, give --tls-cert and --tls-key" : "";
}

// The other side was reached, and one of the two does not trust the other: trying again changes nothing.
bool IsHandshakeMessage(const std::string& message) {
  return absl::StrContains(message, "SSL_ERROR_SSL") || absl::StrContains(message, "verif");
}

absl::Status HandshakeFailed(const std::string& address, const std::string& message) {
  return absl::FailedPreconditionError(absl::StrCat(
      "the TLS handshake with the server at ", address, " failed (", message,
      "); it must speak TLS, have a certificate of --tls-ca for that host or for --tls-server-name, and take "
      "that of --tls-cert"));
}

}  // namespace

std::string MakeTraceParent(const char* given) {
  std::random_device random;
  const auto digits = [&] { return absl::StrFormat("%08x%08x", random() | 1u, random()); };
  const std::string_view parent = given == nullptr ? "" : given;
  const std::string trace = IsTraceParent(parent) ? std::string(TraceIdOf(parent)) : digits() + digits();
  const std::string flags = IsTraceParent(parent) ? std::string(parent.substr(53, 2)) : "01";
  return absl::StrCat("00-", trace, "-", digits(), "-", flags);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ServerFlags& flags, Interrupt& interrupt) {
  if (UsesTls(flags) && flags.tls_ca.empty())
    return absl::FailedPreconditionError(
        "TLS needs the authorities that are trusted to name the server; give their certificates with "
        "--tls-ca");
  std::string first_token;
  if (!flags.token_file.empty()) {
    if (!UsesTls(flags) && !IsNear(flags.address) && !flags.insecure)
      return absl::FailedPreconditionError(absl::StrCat(
          "the token would go to ", flags.address,
          " in the clear, where others can read it; give --tls-ca, or allow it with --insecure"));
    absl::StatusOr<std::string> token = ReadToken(flags.token_file);
    if (!token.ok()) return token.status();
    first_token = *std::move(token);
  }
  return std::unique_ptr<Connection>(new Connection(flags, std::move(first_token), interrupt));
}

Connection::Connection(const ServerFlags& flags, std::string token, Interrupt& interrupt)
    : flags_(flags), first_token_(std::move(token)), interrupt_(interrupt), channel_(OpenChannel(flags_)) {
  artifacts_ = kprune::v1::ArtifactService::NewStub(channel_);
  jobs_ = kprune::v1::JobService::NewStub(channel_);
  server_ = kprune::v1::ServerService::NewStub(channel_);
}

void Connection::AddToken(grpc::ClientContext& context) const {
  if (first_token_.empty()) return;
  // A file that is just being replaced must not end a job that is watched for hours.
  context.AddMetadata("authorization",
                      absl::StrCat("Bearer ", ReadToken(flags_.token_file).value_or(first_token_)));
}

absl::Status Connection::Explain(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  const std::string& message = status.error_message();
  if (absl::Status interrupted = interrupt_.status(); !interrupted.ok()) return interrupted;
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      if (!IsTransportMessage(message)) break;
      if (IsHandshakeMessage(message)) return HandshakeFailed(address(), message);
      return absl::Status(
          code, absl::StrCat("no server can be reached at ", address(),
                             "; start one with kprune-server, or name another with --server or KPRUNE_SERVER",
                             AdviceOnHangUp(message, flags_)));
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::Status(
          code, absl::StrCat("the server at ", address(), " did not answer within ",
                             absl::ToInt64Seconds(kUnaryTimeout), " s; try again, or look at its log"));
    case grpc::StatusCode::CANCELLED:
      return absl::UnavailableError(absl::StrCat("the server at ", address(),
                                                 ", or something between, ended the call",
                                                 message.empty() ? "" : ": ", message, "; try again"));
    case grpc::StatusCode::UNIMPLEMENTED:
      return absl::Status(
          code, absl::StrCat("the server at ", address(),
                             " does not know this call; it is not a kprune-server or an older one"));
    default:
      break;
  }
  return absl::Status(code, message.empty()
                                ? absl::StrCat("the server at ", address(), " answered ",
                                               absl::StatusCodeToString(code), " without a reason")
                                : message);
}

CallContext::CallContext(const Connection& connection, Kind kind)
    : scope_(connection.interrupt(), [this](int) { context_.TryCancel(); }) {
  connection.AddToken(context_);
  context_.AddMetadata(kTraceParentKey, connection.trace_parent());
  if (kind == Kind::kUnary) context_.set_deadline(absl::ToChronoTime(absl::Now() + kUnaryTimeout));
}

bool IsTransient(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace kprune::client
