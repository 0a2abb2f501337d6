#include "server/flags.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <system_error>

#include "cage/cage.h"
#include "server/command_line.h"
#include "server/model_sources.h"
#include "server/sources/address_rules.h"

namespace kprune {
namespace {

// Three lists of so many, with names as long as they may be, stay below what a job may have.
constexpr int kMostFiles = 800;

constexpr char kEnvironmentPrefix[] = "KPRUNE_";

template <typename T>
CLI::Option* AddFlag(CLI::App& app, const std::string& name, T& value, const std::string& help) {
  return AddEnvironmentFlag(app, kEnvironmentPrefix, name, value, help);
}

// CLI11's own checks of ranges let "nan" and "inf" pass.
const CLI::Validator kFinite(
    [](const std::string& text) -> std::string {
      double seconds = 0;
      if (!CLI::detail::lexical_cast(text, seconds) || std::isfinite(seconds)) return "";
      return text + " is not a number of seconds";
    },
    "", "finite");

// A time in seconds; 0 is one unless `range` says otherwise.
void AddSecondsFlag(CLI::App& app, const std::string& name, double& seconds, const std::string& help,
                    const CLI::Validator& range = CLI::NonNegativeNumber) {
  AddFlag(app, name, seconds, help)->check(range)->check(kFinite);
}

const CLI::Validator kOnnxRuntime(
    [](const std::string& text) -> std::string {
      std::error_code ignored;
      if (text == "auto" || text == "none" || std::filesystem::is_regular_file(text, ignored)) return "";
      return text + " is neither a file nor auto nor none";
    },
    "", "library");

// What `Parse` makes of a text is put together again in server/model_sources.h; here only whether it can be.
template <typename Parse>
CLI::Validator Parses(const Parse& parse, const std::string& name) {
  return CLI::Validator(
      [parse](const std::string& text) { return std::string(parse(text).status().message()); }, "", name);
}

std::filesystem::path BesideThisProgram(const char* name) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / name;
}

void AddSourceFlags(CLI::App& app, ServerFlags& flags) {
  AddFlag(app, "model-source-allow", flags.model_source_allow,
          "Folders that jobs may have models fetched from, such as "
          "https://models.example.com/team/,s3://bucket/prefix/; "
          "none by default")
      ->check(Parses(SourceAllowList::Parse, "folders"));
  AddFlag(app, "model-source-networks", flags.model_source_networks,
          "Networks beside the public Internet that those hosts may be in, such as 10.1.0.0/16")
      ->check(Parses(AddressRules::Parse, "networks"));
  AddFlag(app, "model-source-tokens-file", flags.model_source_tokens_file,
          "File of lines \"https://host/folder/ TOKEN\": bearer tokens, each for one folder; read for every "
          "fetch")
      ->check(CLI::ExistingFile);
  AddFlag(app, "model-source-ca-file", flags.model_source_ca_file,
          "Certificates (PEM) of authorities that are trusted beside the system's")
      ->check(CLI::ExistingFile);
  AddFlag(app, "hub-mirror", flags.hub_mirror,
          "Mirror of the model hub, such as https://mirror.example.com/, for models named hub:org/name")
      ->check(Parses(ParseHubMirror, "URL"));
  AddFlag(app, "s3-endpoint", flags.s3_endpoint,
          "Where buckets are (path style), such as https://minio.example.com:9000; by default AWS")
      ->check(Parses(ParseS3Endpoint, "URL"));
  AddFlag(app, "s3-region", flags.s3_region, "Region that requests to buckets are signed for")
      ->check(Parses(ParseS3Region, "region"));
  AddFlag(app, "s3-credentials-file", flags.s3_credentials_file,
          "S3 credentials as AWS's tools write them ([default]); by default AWS_ACCESS_KEY_ID and "
          "AWS_SECRET_ACCESS_KEY; "
          "read for every fetch")
      ->check(CLI::ExistingFile);
  AddFlag(app, "max-model-bytes", flags.max_model_bytes,
          "Largest model that is fetched, all its files together")
      ->check(CLI::PositiveNumber);
  AddSecondsFlag(app, "model-fetch-seconds", flags.model_fetch_seconds, "Longest fetch of a model",
                 CLI::PositiveNumber);
  AddFlag(app, "model-fetch-stall-seconds", flags.model_fetch_stall_seconds,
          "Try again where a host sends less than a kilobyte a second for so long")
      ->check(CLI::Range(1, 3600));
}

void AddAccessFlags(CLI::App& app, ServerFlags& flags) {
  AddFlag(
      app, "access-file", flags.access_file,
      "Who may call: tenants and identities (JSON, docs/security.md); read again when it changes; without "
      "one, and on 127.0.0.1 only, everybody may")
      ->check(CLI::ExistingFile);
  CLI::Option* const certificate =
      AddFlag(
          app, "tls-cert", flags.tls_cert,
          "Certificate chain of this server (PEM); it, its key and the CA are read again when they change")
          ->check(CLI::ExistingFile);
  CLI::Option* const key =
      AddFlag(app, "tls-key", flags.tls_key, "Private key of --tls-cert (PEM)")->check(CLI::ExistingFile);
  certificate->needs(key);
  key->needs(certificate);
  CLI::Option* const authorities =
      AddFlag(app, "tls-client-ca", flags.tls_client_ca,
              "Authorities (PEM) whose certificates clients show; without --access-file, whoever has one may "
              "do everything")
          ->check(CLI::ExistingFile)
          ->needs(certificate);
  AddFlag(app, "tls-client-auth", flags.tls_client_auth,
          "Whether clients must show a certificate (require) or may send a token instead (optional)")
      ->check(CLI::IsMember({"require", "optional"}))
      ->needs(authorities);
  AddFlag(app, "audit-log", flags.audit_log,
          "Append a JSON line for every call to this file; - is standard output");
  AddFlag(app, "reflection", flags.reflection,
          "gRPC reflection: on, off, or auto (on where nobody has to say who they are)")
      ->check(CLI::IsMember({"auto", "on", "off"}));
  app.add_flag("--insecure", flags.insecure,
               "Listen on other addresses than 127.0.0.1 also without TLS and without asking who calls: for "
               "trials only")
      ->envname("KPRUNE_INSECURE");
}

void AddWorkerFlags(CLI::App& app, ServerFlags& flags) {
  AddSecondsFlag(
      app, "worker-silence-seconds", flags.worker_silence_seconds,
      "Kill a worker that has sent nothing and used no processor for so long, and try its job again; 0: "
      "never");
  AddSecondsFlag(app, "worker-seconds", flags.worker_seconds,
                 "Longest time of one worker; its job fails after it; 0: no limit");
  AddFlag(app, "worker-memory-bytes", flags.worker_memory_bytes,
          "Most memory of one worker, beside the files it maps; its job fails beyond it; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  AddFlag(app, "worker-scratch-bytes", flags.worker_scratch_bytes,
          "Most bytes that one worker writes to its job directory; its job fails beyond it; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  AddFlag(app, "worker-cage", flags.worker_cage,
          "Workers without network, other processes and files but their job's: off, on (as far as the kernel "
          "has it) or require (else do not start)")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kCageModes), std::end(kCageModes))));
}

void AddRetentionFlags(CLI::App& app, ServerFlags& flags) {
  AddSecondsFlag(
      app, "keep-uploads-seconds", flags.keep_uploads_seconds,
      "Remove unfinished uploads, and files that no job has, when they were of no use for so long; 0: "
      "never");
  AddSecondsFlag(app, "keep-finished-seconds", flags.keep_finished_seconds,
                 "Delete finished jobs, with their results, after so long; 0: only when a client does");
  AddSecondsFlag(
      app, "stream-stall-seconds", flags.stream_stall_seconds,
      "End an upload, download or watch whose client neither sends nor takes anything for so long; 0: never");
}

}  // namespace

std::filesystem::path DefaultDataDir() {
  if (::geteuid() == 0) return "/var/lib/kprune";
  if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data != '\0') {
    return std::filesystem::path(data) / "kprune";
  }
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home != nullptr ? home : ".") / ".local/share/kprune";
}

ParsedFlags ParseFlags(int argc, const char* const* argv) {
  ParsedFlags parsed;
  ServerFlags& flags = parsed.flags;
  std::string data_dir = DefaultDataDir().string(), work_dir,
              worker = BesideThisProgram("kprune-worker").string();

  CLI::App app(
      "Prunes fine-tuned encoder models: stores artifacts, queues jobs and runs them on this machine.",
      "kprune-server");
  app.set_version_flag("--version", KPRUNE_VERSION);
  AddFlag(app, "listen", flags.listen, "HOST:PORT of the gRPC services; port 0 takes any free one");
  AddFlag(app, "port-file", flags.port_file,
          "Write the port of the gRPC services to this file once they are served");
  AddLogFormatFlag(app, kEnvironmentPrefix, flags.log_format);
  AddFlag(app, "metrics-listen", flags.metrics_listen,
          "HOST:PORT of /metrics for Prometheus; off serves none");
  AddFlag(app, "metrics-port-file", flags.metrics_port_file,
          "Write the port of /metrics to this file once it is served");
  AddFlag(
      app, "health-listen", flags.health_listen,
      "HOST:PORT of grpc.health.v1 alone, without TLS, for the probes of Kubernetes and container engines; "
      "off serves none beside --listen's");
  AddFlag(app, "health-port-file", flags.health_port_file,
          "Write the port of those probes to this file once it is served");
  AddFlag(app, "data-dir", data_dir, "Folder of the queue, the artifacts and the running jobs");
  AddFlag(app, "work-dir", work_dir,
          "Folder of the running jobs, with their files in the clear, where it is not to be --data-dir");
  AddFlag(
      app, "encryption-key-file", flags.encryption_key_file,
      "Encrypt artifacts on the disk (AES-256-GCM): 64 hexadecimal digits a line, the key of today first, "
      "then those of before")
      ->check(CLI::ExistingFile);
  AddFlag(app, "worker", worker, "The worker program, kprune-worker");
  AddFlag(app, "onnxruntime", flags.onnxruntime,
          "ONNX Runtime with which workers run what they export: a libonnxruntime.so, auto (the loader's) or "
          "none")
      ->check(kOnnxRuntime);
  AddFlag(app, "signing-key", flags.signing_key,
          "Private key (PEM, Ed25519 or ECDSA P-256) with which workers sign the provenance of results")
      ->check(CLI::ExistingFile);
  AddFlag(app, "devices", flags.devices,
          "Devices that run one job each: auto (every GPU, else cpu) or a list like cuda:0,cuda:1");
  AddFlag(app, "max-queued-jobs", flags.max_queued_jobs,
          "Most jobs of a tenant that wait at once, where it has no such limit of its own")
      ->check(CLI::PositiveNumber);
  AddFlag(app, "max-artifact-bytes", flags.max_artifact_bytes, "Largest file in bytes, uploaded or fetched")
      ->check(CLI::PositiveNumber);
  AddFlag(app, "max-files", flags.max_files, "Most files of a model, and of a job's data or eval")
      ->check(CLI::Range(1, kMostFiles));
  AddSecondsFlag(app, "preflight-seconds", flags.preflight_seconds,
                 "Longest check of a job before it is queued; a job that takes longer to check is refused",
                 CLI::PositiveNumber);
  AddFlag(app, "disk-low-bytes", flags.disk_low_bytes,
          "Refuse uploads and fetches that would leave less free disk than this")
      ->check(CLI::NonNegativeNumber);
  AddAccessFlags(app, flags);
  AddSourceFlags(app, flags);
  AddRetentionFlags(app, flags);
  AddWorkerFlags(app, flags);
  AddSecondsFlag(app, "cancel-grace-seconds", flags.cancel_grace_seconds,
                 "From asking a worker to stop to killing it");
  AddSecondsFlag(app, "drain-seconds", flags.drain_seconds, "Longest shutdown after SIGTERM",
                 CLI::PositiveNumber);
  app.footer("Exit status: 0 ok, 1 failed, 3 usage.");

  parsed.exit_status = ParseCommandLine(app, argc, argv);
  if (parsed.exit_status) return parsed;
  if (flags.cancel_grace_seconds >= flags.drain_seconds) {
    std::cerr << "--cancel-grace-seconds " << flags.cancel_grace_seconds << " must be below --drain-seconds "
              << flags.drain_seconds << ", or a shutdown could not end in time\n";
    parsed.exit_status = kExitUsage;
  }
  flags.data_dir = data_dir;
  flags.work_dir = work_dir.empty() ? data_dir : work_dir;
  flags.worker = worker;
  return parsed;
}

}  // namespace kprune
