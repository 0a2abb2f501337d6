// kprune-exporter: asks the servers now and then and serves what they answered, until SIGTERM or SIGINT.
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "credentials/channel_credentials.h"
#include "exporter/flags.h"
#include "exporter/queue_board.h"
#include "exporter/server_poll.h"
#include "exporter/server_source.h"
#include "server/grpc_log.h"
#include "server/log.h"
#include "server/metrics/metrics_endpoint.h"
#include "server/metrics/process_collector.h"
#include "server/port_file.h"
#include "server/shutdown_signals.h"

namespace kprune {
namespace {

ServerPollOptions PollOptionsOf(const ExporterFlags& flags) {
  ServerPollOptions options;
  options.credentials = MakeChannelCredentials({flags.tls_ca, flags.tls_cert, flags.tls_key});
  options.server_name = flags.tls_server_name;
  // Certificates are of the name, not of its addresses.
  if (options.server_name.empty() && !flags.servers_dns.empty())
    options.server_name = ParseDnsName(flags.servers_dns)->host;
  options.timeout = absl::Seconds(flags.timeout_seconds);
  options.token_file = flags.token_file;
  return options;
}

absl::Status Serve(const ExporterFlags& flags) {
  const ShutdownSignals signals;
  const ServerSource servers = flags.servers_dns.empty() ? FixedServers(flags.servers)
                                                         : ServersOfName(*ParseDnsName(flags.servers_dns));
  ServerPoll poll(PollOptionsOf(flags));
  const auto board = std::make_shared<QueueBoard>();
  board->Show(poll.Ask(servers()));
  const auto endpoint = MetricsEndpoint::Start(flags.listen, {board, std::make_shared<ProcessCollector>()});
  if (!endpoint.ok()) return endpoint.status();
  if (absl::Status status = WritePortFile(flags.port_file, (*endpoint)->port()); !status.ok()) return status;
  LogInfo("serving", {{"version", KPRUNE_VERSION}, {"metrics_port", std::to_string((*endpoint)->port())}});
  absl::Notification stopping;
  std::thread rounds([&] {
    while (!stopping.WaitForNotificationWithTimeout(absl::Seconds(flags.interval_seconds)))
      board->Show(poll.Ask(servers()));
  });
  signals.Wait();
  stopping.Notify();
  rounds.join();
  LogInfo("stopped");
  return absl::OkStatus();
}

}  // namespace
}  // namespace kprune

int main(int argc, char** argv) {
  const kprune::ParsedExporterFlags parsed = kprune::ParseExporterFlags(argc, argv);
  if (parsed.exit_status) return *parsed.exit_status;
  kprune::SetLogFormat(parsed.flags.log_format);
  kprune::TakeLogOfGrpc();
  const absl::Status status = kprune::Serve(parsed.flags);
  if (status.ok()) return 0;
  kprune::LogFailure("kprune-exporter", std::string(status.message()));
  return 1;
}
