#include "exporter/server_poll.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/time/clock.h"
#include "credentials/token_file.h"
#include "server/log.h"

namespace kprune {
namespace {

// Until the server has said its first word, which takes several ways there and back with TLS.
constexpr int kConnectMs = 10 * 1000;
// A server that came back is found within a round or two.
constexpr int kFirstReconnectMs = 100;
constexpr int kLongestReconnectMs = 1000;

struct Call {
  grpc::ClientContext context;
  v1::GetQueueStatsRequest request;
  v1::QueueStats answer;
  PolledServer result;
};

}  // namespace

std::unique_ptr<v1::JobService::Stub> ServerPoll::Connect(const std::string& server) const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstReconnectMs);
  // By its name a wait between tries; what it bounds from below is how long one may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestReconnectMs);
  // Servers are this exporter's neighbours; a proxy of the environment leads elsewhere.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  if (!options_.server_name.empty()) arguments.SetSslTargetNameOverride(options_.server_name);
  return v1::JobService::NewStub(grpc::CreateCustomChannel(server, options_.credentials, arguments));
}

std::vector<PolledServer> ServerPoll::Ask(const std::vector<std::string>& servers) {
  Stubs stubs;
  for (const std::string& server : servers) {
    const auto known = stubs_.find(server);
    stubs[server] = known != stubs_.end() && known->second ? std::move(known->second) : Connect(server);
  }
  stubs_ = std::move(stubs);

  if (!options_.token_file.empty()) {
    absl::StatusOr<std::string> token = ReadToken(options_.token_file);
    // A file that is just being replaced must not make every server look down.
    if (token.ok()) token_ = *std::move(token);
    if (!token.ok()) LogWarning("token-not-read", {{"reason", std::string(token.status().message())}});
  }
  const absl::Time start = absl::Now();
  std::vector<std::unique_ptr<Call>> calls;
  absl::BlockingCounter unanswered(static_cast<int>(servers.size()));
  for (const std::string& server : servers) {
    Call& call = *calls.emplace_back(std::make_unique<Call>());
    call.result.server = server;
    call.context.set_deadline(absl::ToChronoTime(start + options_.timeout));
    if (!token_.empty()) call.context.AddMetadata("authorization", absl::StrCat("Bearer ", token_));
    stubs_[server]->async()->GetQueueStats(&call.context, &call.request, &call.answer,
                                           [&call, &unanswered, start](grpc::Status status) {
                                             call.result.seconds = absl::ToDoubleSeconds(absl::Now() - start);
                                             if (status.ok()) call.result.queue = std::move(call.answer);
                                             call.result.error = status.error_message();
                                             unanswered.DecrementCount();
                                           });
  }
  unanswered.Wait();
  std::vector<PolledServer> results;
  for (const auto& call : calls) results.push_back(std::move(call->result));
  return results;
}

}  // namespace kprune
