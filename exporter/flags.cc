#include "exporter/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "exporter/server_source.h"
#include "kprune/loopback.h"
#include "server/command_line.h"
#include "server/host_and_port.h"

namespace kprune {
namespace {

constexpr char kEnvironmentPrefix[] = "KPRUNE_EXPORTER_";

template <typename T>
CLI::Option* Add(CLI::App& app, const std::string& name, T& value, const std::string& help) {
  return AddEnvironmentFlag(app, kEnvironmentPrefix, name, value, help);
}

const CLI::Validator kHostAndPort(
    [](const std::string& text) {
      return IsHostAndPort(text) ? std::string() : text + " is not HOST:PORT, for example kprune-0:8470";
    },
    "", "HOST:PORT");

const CLI::Validator kDnsName(
    [](const std::string& text) { return std::string(ParseDnsName(text).status().message()); }, "", "name");

bool SendsTokenInTheClear(const ExporterFlags& flags) {
  if (flags.token_file.empty() || !flags.tls_ca.empty()) return false;
  std::vector<std::string> servers = flags.servers;
  if (const auto name = ParseDnsName(flags.servers_dns); name.ok())
    servers.push_back(absl::StrCat(name->host, ":", name->port));
  return !std::all_of(servers.begin(), servers.end(), IsLoopback);
}

// What single flags cannot say; empty where all is well.
std::string WrongTogether(const ExporterFlags& flags) {
  if (flags.servers.empty() == flags.servers_dns.empty())
    return "name the servers by one of --servers and --servers-dns";
  if (flags.tls_cert.empty() != flags.tls_key.empty())
    return "--tls-cert and --tls-key belong together; give both or neither";
  if (flags.tls_ca.empty() && !flags.tls_cert.empty())
    return "--tls-cert needs --tls-ca, the certificates of the authority that the servers are trusted by";
  if (!flags.tls_server_name.empty() && flags.tls_ca.empty())
    return "--tls-server-name needs --tls-ca, the certificates of the authority that the servers are trusted "
           "by";
  if (SendsTokenInTheClear(flags) && !flags.insecure)
    return "the token would go to the servers in the clear, where others can read it; give --tls-ca, or "
           "allow it "
           "with --insecure";
  return "";
}

}  // namespace

ParsedExporterFlags ParseExporterFlags(int argc, const char* const* argv) {
  ParsedExporterFlags parsed;
  ExporterFlags& flags = parsed.flags;
  CLI::App app(
      "Serves the queue's metrics for autoscaling and alerts, beside several servers, while they come and "
      "go.",
      "kprune-exporter");
  app.set_version_flag("--version", KPRUNE_VERSION);
  Add(app, "servers", flags.servers, "The servers, HOST:PORT,...")
      ->delimiter(',')
      ->check(kHostAndPort)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  Add(app, "servers-dns", flags.servers_dns,
      absl::StrCat("Every address of this name is a server: dns:///HOST or dns:///HOST:PORT, port ",
                   kServerPort, " by default; looked up again each time"))
      ->check(kDnsName);
  Add(app, "listen", flags.listen, "HOST:PORT of /metrics; port 0 takes any free one");
  Add(app, "port-file", flags.port_file, "Write the port of /metrics to this file once it is served");
  AddLogFormatFlag(app, kEnvironmentPrefix, flags.log_format);
  Add(app, "token-file", flags.token_file, "File with the bearer token to send; read again for every call")
      ->check(CLI::ExistingFile);
  Add(app, "tls-ca", flags.tls_ca,
      "Connect by TLS and trust servers by these authorities' certificates (PEM); read again when it changes")
      ->check(CLI::ExistingFile);
  Add(app, "tls-cert", flags.tls_cert, "Certificate (PEM) to show to servers; read again when it changes")
      ->check(CLI::ExistingFile);
  Add(app, "tls-key", flags.tls_key, "Private key (PEM) of --tls-cert")->check(CLI::ExistingFile);
  Add(app, "tls-server-name", flags.tls_server_name,
      "Name in the servers' certificates where it is not the host that they are named by");
  app.add_flag("--insecure", flags.insecure, "Send the token to other machines without TLS")
      ->envname("KPRUNE_EXPORTER_INSECURE");
  Add(app, "interval-seconds", flags.interval_seconds, "Ask the servers so often")
      ->check(CLI::Range(0.1, 3600.0));
  Add(app, "timeout-seconds", flags.timeout_seconds, "A server that takes longer to answer is down")
      ->check(CLI::Range(0.1, 600.0));
  app.footer("Exit status: 0 ok, 1 failed, 3 usage.");
  parsed.exit_status = ParseCommandLine(app, argc, argv);
  if (parsed.exit_status) return parsed;
  if (const std::string wrong = WrongTogether(flags); !wrong.empty()) {
    std::cerr << "kprune-exporter: " << wrong << "\n";
    parsed.exit_status = kExitUsage;
  }
  return parsed;
}

}  // namespace kprune
