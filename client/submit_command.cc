// kprune submit: hands a model and its samples to a server.
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/command.h"
#include "client/connection.h"
#include "client/evaluation_view.h"
#include "client/job_watcher.h"
#include "client/json_text.h"
#include "client/manifest.h"
#include "client/option_flags.h"
#include "client/output_folder.h"
#include "client/remote_job.h"
#include "client/result_fetcher.h"
#include "client/uploader.h"
#include "kprune/trace_parent.h"

namespace kprune::client {
namespace {

namespace v1 = kprune::v1;

struct SubmitFlags {
  ServerFlags server;
  std::string model;
  std::vector<std::string> data;
  std::vector<std::string> eval;
  v1::Options options;
  std::string output;
  bool overwrite = false;
  bool no_wait = false;
  bool dry_run = false;
  bool verbose = false;
  int priority = 0;
  std::string request_id;
  ProgressMode progress = ProgressMode::kAuto;
};

std::string RandomRequestId() {
  std::random_device random;
  return absl::StrFormat("%08x%08x%08x%08x", random(), random(), random(), random());
}

// Adds the files to a manifest and to what must be uploaded.
absl::Status AddFiles(const std::vector<NamedFile>& files, const Interrupt& interrupt,
                      google::protobuf::RepeatedPtrField<v1::File>& manifest,
                      std::vector<FileToUpload>& uploads) {
  for (const NamedFile& file : files) {
    if (absl::Status interrupted = interrupt.status(); !interrupted.ok()) return interrupted;
    const absl::StatusOr<v1::File> entry = Describe(file);
    if (!entry.ok()) return entry.status();
    *manifest.Add() = *entry;
    uploads.push_back({*entry, file.path});
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::JobSpec> UploadInputs(const SubmitFlags& flags, const Connection& connection,
                                         Session& session) {
  absl::StatusOr<ModelFiles> model = ModelFiles();
  if (!IsModelUri(flags.model)) model = FindModelFiles(flags.model);
  if (!model.ok()) return model.status();
  if (flags.verbose) {
    for (const std::string& name : model->left_out) session.err << "not sent: " << name << "\n";
  }
  const absl::StatusOr<std::vector<NamedFile>> data = NameDataFiles(flags.data);
  if (!data.ok()) return data.status();
  const absl::StatusOr<std::vector<NamedFile>> eval = NameDataFiles(flags.eval);
  if (!eval.ok()) return eval.status();

  v1::JobSpec spec;
  *spec.mutable_options() = flags.options;
  spec.set_priority(flags.priority);
  if (IsModelUri(flags.model)) spec.set_model_uri(flags.model);
  std::vector<FileToUpload> uploads;
  absl::Status status = AddFiles(model->files, session.interrupt, *spec.mutable_model(), uploads);
  status.Update(AddFiles(*data, session.interrupt, *spec.mutable_data(), uploads));
  status.Update(AddFiles(*eval, session.interrupt, *spec.mutable_eval(), uploads));
  if (!status.ok()) return status;
  TransferDisplay display("upload", flags.progress, session.screen, session.err, absl::Now);
  status = Uploader(connection, display, BackoffOptions()).UploadMissing(uploads);
  if (!status.ok()) return status;
  return spec;
}

absl::Status Watch(const SubmitFlags& flags, const Connection& connection, const std::string& name,
                   Session& session) {
  const auto display = MakeProgressDisplay(flags.progress, session.screen, session.err);
  WatchOptions options;
  options.patience = options.backoff.give_up;  // the server was there a moment ago
  const absl::Status outcome = WatchJob(connection, name, options, *display);
  display->Close();
  if (session.interrupt.status().ok()) return outcome;
  return absl::CancelledError(absl::StrCat("stopped watching ", name,
                                           ", which goes on at the server; kprune watch ", name,
                                           " follows it, kprune cancel ", name, " ends it"));
}

absl::Status Submit(const SubmitFlags& flags, Session& session) {
  const OutputFolder output(flags.output.empty() ? "." : flags.output, flags.overwrite);
  if (!flags.output.empty()) {
    std::vector<std::string> inputs;
    if (!IsModelUri(flags.model)) inputs.push_back(flags.model);
    if (absl::Status allowed = CheckOutput(output, inputs); !allowed.ok()) return allowed;
  }
  const auto opened = Connection::Open(flags.server, session.interrupt);
  if (!opened.ok()) return opened.status();
  const Connection& connection = **opened;
  if (flags.verbose) session.err << "trace " << TraceIdOf(connection.trace_parent()) << "\n";
  const absl::StatusOr<v1::JobSpec> spec = UploadInputs(flags, connection, session);
  if (!spec.ok()) return spec.status();
  v1::CreateJobRequest request;
  *request.mutable_spec() = *spec;
  request.set_request_id(flags.request_id.empty() ? RandomRequestId() : flags.request_id);
  request.set_validate_only(flags.dry_run);
  const absl::StatusOr<v1::Job> job = CreateJob(connection, request, BackoffOptions());
  if (!job.ok()) return job.status();
  if (flags.dry_run) {
    session.out << (flags.progress == ProgressMode::kJson ? ToJson(job->preflight(), JsonStyle::kPretty)
                                                          : PreflightText(job->preflight()));
    return absl::OkStatus();
  }
  session.out << job->name() << std::endl;
  if (flags.no_wait) return absl::OkStatus();
  if (absl::Status outcome = Watch(flags, connection, job->name(), session); !outcome.ok()) return outcome;
  if (flags.output.empty()) return absl::OkStatus();
  const absl::StatusOr<v1::Job> finished = GetJob(connection, job->name());
  if (!finished.ok()) return finished.status();
  return FetchResult(connection, *finished, output, flags.progress, session);
}

}  // namespace

void AddSubmitCommand(CLI::App& app, Session& session) {
  auto flags = std::make_shared<SubmitFlags>();
  CLI::App* command =
      app.add_subcommand("submit", "Send a model to a server to be pruned; prints the job's name");
  command
      ->add_option("MODEL", flags->model,
                   "Hugging Face model folder, or what the server fetches where its operator allows it: "
                   "https://host/folder/, s3://bucket/prefix/ or hub:org/name@revision")
      ->required()
      ->check(kModelFolderOrUri);
  AddDataFlag(*command, flags->data, "Samples, labels not needed");
  command->add_option("--eval", flags->eval, "Labelled texts to judge with")->check(CLI::ExistingFile);
  AddServerFlags(*command, flags->server);
  CLI::Option* output =
      command
          ->add_option("--output", flags->output, "Fetch the result into this folder; must be new or empty")
          ->check(kNamesAFolder);
  command->add_flag("--overwrite", flags->overwrite, "Replace the result of an earlier job at --output");
  command->add_flag("--no-wait", flags->no_wait, "Do not watch the job")->excludes(output);
  command->add_flag("--dry-run", flags->dry_run, "Only upload and check, and print what is predicted");
  command
      ->add_option("--priority", flags->priority,
                   "Of the jobs that wait, those of the greatest priority run first: -100 to 100")
      ->check(CLI::Range(-100, 100))
      ->capture_default_str();
  command->add_option("--request-id", flags->request_id,
                      "A unique text: repeating the command with it returns the first job (default: random)");
  command->add_flag("--verbose", flags->verbose,
                    "Name the files of MODEL that are not sent, and the trace by which logs name this job");
  AddProgressFlag(*command, flags->progress);
  AddOptionFlags(OptionScope::kPruning, *command, flags->options);
  command->footer(
      "Example:\n  kprune submit my-model --data samples.jsonl --keep-flops 0.5 --output my-model-half");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return Submit(*flags, session); }; });
}

}  // namespace kprune::client
