// The command line of kprune-server. Every flag has an environment variable; a flag wins over its variable.
#ifndef KPRUNE_SERVER_FLAGS_H_
#define KPRUNE_SERVER_FLAGS_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace kprune {

struct ServerFlags {
  std::string listen = "127.0.0.1:8470";
  std::string port_file;
  std::string log_format = "text";  // of kLogFormats
  std::string metrics_listen = "127.0.0.1:9470";
  std::string metrics_port_file;
  std::string health_listen = "off";
  std::string health_port_file;
  std::filesystem::path data_dir;   // default: DefaultDataDir()
  std::filesystem::path work_dir;   // default: data_dir
  std::string encryption_key_file;  // empty: artifacts are not encrypted
  std::filesystem::path worker;     // default: kprune-worker beside this program
  std::string onnxruntime = "auto";
  std::string signing_key;  // empty: results are not signed
  std::string devices = "auto";
  // Who may call (server/auth); by default whoever reaches this machine's loopback. Empty: none.
  std::string access_file;
  std::string audit_log;  // "-": standard output
  std::string tls_cert;
  std::string tls_key;
  std::string tls_client_ca;
  std::string tls_client_auth = "require";  // or "optional"
  std::string reflection = "auto";          // or "on", "off"
  bool insecure = false;
  int64_t max_queued_jobs = 1000;
  int64_t max_artifact_bytes = int64_t{64} << 30;
  int64_t max_files = 256;
  double preflight_seconds = 10;
  // What jobs may have fetched (server/sources); nothing by default.
  std::string model_source_allow;
  std::string model_source_networks;
  std::string model_source_tokens_file;
  std::string model_source_ca_file;
  std::string hub_mirror;
  std::string s3_endpoint;  // empty: AWS's of the region
  std::string s3_region = "us-east-1";
  std::string s3_credentials_file;
  int64_t max_model_bytes = int64_t{16} << 30;
  double model_fetch_seconds = 3600;
  double model_fetch_stall_seconds = 30;
  int64_t disk_low_bytes = int64_t{1} << 30;
  double keep_uploads_seconds = 86400;
  double keep_finished_seconds = 0;  // until they are deleted
  double stream_stall_seconds = 120;
  // Of one worker; 0: no limit.
  double worker_silence_seconds = 600;
  double worker_seconds = 0;
  int64_t worker_memory_bytes = 0;
  int64_t worker_scratch_bytes = 0;
  std::string worker_cage = "on";  // of kCageModes
  double cancel_grace_seconds = 10;
  double drain_seconds = 30;
};

// Parses the command line and the environment. Returns the exit status instead of flags when the program is
// done (--help,
// --version: 0; a usage error, which it prints: 3).
struct ParsedFlags {
  ServerFlags flags;
  std::optional<int> exit_status;
};
ParsedFlags ParseFlags(int argc, const char* const* argv);

// /var/lib/kprune for root, else $XDG_DATA_HOME/kprune or ~/.local/share/kprune.
std::filesystem::path DefaultDataDir();

}  // namespace kprune

#endif  // KPRUNE_SERVER_FLAGS_H_
