// Asks every server how full its queue is, all at once.
#ifndef KPRUNE_EXPORTER_SERVER_POLL_H_
#define KPRUNE_EXPORTER_SERVER_POLL_H_

#include <grpcpp/security/credentials.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "kprune/v1/job_service.grpc.pb.h"

namespace kprune {

struct ServerPollOptions {
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  // The name in the servers' certificates where it is not their host; empty: it is.
  std::string server_name;
  // A server that takes longer is down.
  absl::Duration timeout = absl::Seconds(2);
  // Its first line is sent as a bearer token, read again for every round; empty: none.
  std::string token_file;
};

// What one server answered.
struct PolledServer {
  std::string server;                   // HOST:PORT
  std::optional<v1::QueueStats> queue;  // nothing: it is down
  std::string error;                    // ... for this reason
  double seconds = 0;                   // until it answered, or not
};

// Used by one thread.
class ServerPoll {
 public:
  explicit ServerPoll(ServerPollOptions options) : options_(std::move(options)) {}

  // Returns when the last one has answered, after the timeout at the latest. In the order of `servers`.
  // Connections to servers that are not among them any more are closed.
  std::vector<PolledServer> Ask(const std::vector<std::string>& servers);

 private:
  using Stubs = std::map<std::string, std::unique_ptr<v1::JobService::Stub>>;

  std::unique_ptr<v1::JobService::Stub> Connect(const std::string& server) const;

  const ServerPollOptions options_;
  Stubs stubs_;        // of the last round, by server
  std::string token_;  // the last one that could be read
};

}  // namespace kprune

#endif  // KPRUNE_EXPORTER_SERVER_POLL_H_
