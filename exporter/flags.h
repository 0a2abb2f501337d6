// The command line of kprune-exporter. Every flag has an environment variable; a flag wins over its variable.
#ifndef KPRUNE_EXPORTER_FLAGS_H_
#define KPRUNE_EXPORTER_FLAGS_H_

#include <optional>
#include <string>
#include <vector>

namespace kprune {

struct ExporterFlags {
  // One of the two is given.
  std::vector<std::string> servers;  // HOST:PORT
  std::string servers_dns;           // dns:///HOST or dns:///HOST:PORT: every address of the name
  std::string listen = "127.0.0.1:9471";
  std::string port_file;
  std::string log_format = "text";  // of kLogFormats (server/log.h)
  std::string token_file;
  // TLS where tls_ca is given, mutual where the other two are, too.
  std::string tls_ca, tls_cert, tls_key;
  std::string tls_server_name;  // in the servers' certificates; empty: the host of their address or name
  bool insecure = false;        // a token may go to other machines in the clear
  double interval_seconds = 5;
  double timeout_seconds = 2;
};

// Returns the exit status instead of flags when the program is done (--help, --version: 0; a usage error,
// which it prints: 3).
struct ParsedExporterFlags {
  ExporterFlags flags;
  std::optional<int> exit_status;
};
ParsedExporterFlags ParseExporterFlags(int argc, const char* const* argv);

}  // namespace kprune

#endif  // KPRUNE_EXPORTER_FLAGS_H_
