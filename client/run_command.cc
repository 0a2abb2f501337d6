// kprune run: prunes a model on this machine, without a server.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/command.h"
#include "client/evaluation_view.h"
#include "client/job_directory.h"
#include "client/json_text.h"
#include "client/local_command.h"
#include "client/option_flags.h"
#include "client/output_folder.h"
#include "client/report_view.h"
#include "client/work_directory.h"
#include "kprune/layout.h"
#include "kprune/worker_protocol.h"

namespace kprune::client {
namespace {

struct RunFlags {
  LocalJobSpec job;
  std::string output;
  std::string work_dir;  // empty: a temporary folder beside the output
  bool overwrite = false;
  bool dry_run = false;
  ProgressMode progress = ProgressMode::kAuto;
  TextFormat format = TextFormat::kText;
};

// --progress=json asks for a machine's view of everything.
bool WantsJson(const RunFlags& flags) {
  return flags.format == TextFormat::kJson || flags.progress == ProgressMode::kJson;
}

absl::Status DryRun(RunFlags& flags, Session& session) {
  flags.job.kind = "preflight";
  const absl::StatusOr<std::string> text =
      RunWorkerForFile(flags.job, ProgressMode::kNone, session, kPreflightFile);
  if (!text.ok()) return text.status();
  kprune::v1::Preflight preflight;
  if (absl::Status parsed = FromJson(*text, preflight); !parsed.ok()) {
    return absl::InternalError(
        absl::StrCat("kprune-worker wrote a ", kPreflightFile, " that cannot be read: ", parsed.message()));
  }
  session.out << (WantsJson(flags) ? ToJson(preflight, JsonStyle::kPretty) : PreflightText(preflight));
  return absl::OkStatus();
}

absl::Status PrintResult(const RunFlags& flags, const OutputFolder& output, Session& session) {
  const absl::StatusOr<std::string> text = ReadTextFile(output.path / kReportFile);
  if (!text.ok()) return text.status();
  if (WantsJson(flags)) {
    session.out << *text;
    return absl::OkStatus();
  }
  const auto report = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  session.out << ReportHeadline(report) << "result: " << output.path.string() << "\n";
  return absl::OkStatus();
}

// In a folder beside the output, so that publishing is a rename; it goes with the command.
absl::Status RunInTemporary(const RunFlags& flags, const OutputFolder& output, Session& session) {
  const absl::StatusOr<JobDirectory> directory = JobDirectory::Create(output.path.parent_path());
  if (!directory.ok()) return directory.status();
  return RunWorkerIn(directory->path(), flags.job, flags.progress, session,
                     [&] { return Publish(directory->result(), output); });
}

// In --work-dir, going on from what is in it.
absl::Status RunInWorkDirectory(const RunFlags& flags, const OutputFolder& output, Session& session) {
  if (Holds(output, flags.work_dir)) {
    return absl::FailedPreconditionError(absl::StrCat("--output ", output.path.string(), " holds --work-dir ",
                                                      flags.work_dir, "; name two folders side by side"));
  }
  const absl::StatusOr<WorkDirectory> directory =
      WorkDirectory::Open(flags.work_dir, flags.job, session.interrupt);
  if (!directory.ok()) return directory.status();
  const auto publish = [&] { return Publish(directory->result(), output); };
  if (directory->HasResult() && !flags.job.signing_key.empty() &&
      !std::filesystem::exists(directory->result() / kSignedProvenanceName)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "--work-dir ", directory->path().string(),
        " holds a finished result that was not signed; leave --signing-key out, or name another folder"));
  }
  if (directory->HasResult()) session.err << directory->path().string() << " holds the finished result\n";
  const absl::Status outcome =
      directory->HasResult() ? publish()
                             : RunWorkerIn(directory->path(), flags.job, flags.progress, session, publish);
  if (outcome.ok()) {
    directory->Remove();
    return outcome;
  }
  if (!directory->HasWork()) return outcome;
  return absl::Status(outcome.code(), absl::StrCat(outcome.message(), "; the same command goes on from what ",
                                                   directory->path().string(), " keeps"));
}

absl::Status Run(RunFlags& flags, Session& session) {
  if (flags.dry_run) return DryRun(flags, session);
  flags.job.kind = "prune";
  const OutputFolder output(flags.output, flags.overwrite);
  std::vector<std::string> inputs = flags.job.data;
  inputs.insert(inputs.end(), flags.job.eval.begin(), flags.job.eval.end());
  inputs.push_back(flags.job.model);
  if (absl::Status allowed = CheckOutput(output, inputs); !allowed.ok()) return allowed;
  const absl::Status outcome = flags.work_dir.empty() ? RunInTemporary(flags, output, session)
                                                      : RunInWorkDirectory(flags, output, session);
  return outcome.ok() ? PrintResult(flags, output, session) : outcome;
}

}  // namespace

void AddRunCommand(CLI::App& app, Session& session) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* command = app.add_subcommand("run", "Prune a model on this machine, without a server");
  command->add_option("MODEL", flags->job.model, "Hugging Face model folder")
      ->required()
      ->check(kModelFolder);
  AddDataFlag(*command, flags->job.data, "Samples, labels not needed");
  command->add_option("--eval", flags->job.eval, "Labelled texts to judge with")->check(CLI::ExistingFile);
  CLI::Option* output =
      command->add_option("--output", flags->output, "Folder of the result; must be new or empty")
          ->check(kNamesAFolder);
  command->add_flag("--overwrite", flags->overwrite, "Replace the result of an earlier job at --output");
  CLI::Option* work_dir =
      command
          ->add_option(
              "--work-dir", flags->work_dir,
              "Folder for what the job has done so far; it stays where the job fails or is interrupted, and "
              "the same command goes on from it (default: a temporary folder beside --output)")
          ->check(kNamesAFolder);
  command->add_flag("--dry-run", flags->dry_run, "Only check, and print what is predicted")
      ->excludes(work_dir);
  command
      ->add_option("--signing-key", flags->job.signing_key,
                   "Private key (PEM, Ed25519 or ECDSA P-256) that signs the result's provenance")
      ->envname("KPRUNE_SIGNING_KEY");
  AddProgressFlag(*command, flags->progress);
  AddFormatFlag(*command, flags->format);
  AddOptionFlags(OptionScope::kPruning, *command, flags->job.options);
  command->footer(
      "Example:\n  kprune run my-model --data samples.jsonl --keep-flops 0.5 --output my-model-half\n"
      "KPRUNE_WORKER names the worker program (default: kprune-worker beside this one).");
  command->callback([flags, output, &session] {
    if (!flags->dry_run && output->empty()) throw CLI::RequiredError("--output (or --dry-run)");
    session.action = [flags, &session] { return Run(*flags, session); };
  });
}

}  // namespace kprune::client
