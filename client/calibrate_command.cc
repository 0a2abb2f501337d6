// kprune calibrate: what a model's sublayers cost on this machine, for --target-latency.
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "client/command.h"
#include "client/evaluation_view.h"
#include "client/flag_values.h"
#include "client/local_command.h"
#include "client/option_flags.h"
#include "kprune/options.h"
#include "kprune/worker_protocol.h"

namespace kprune::client {
namespace {

namespace fs = std::filesystem;

struct CalibrateFlags {
  LocalJobSpec job;
  std::string output;
  ProgressMode progress = ProgressMode::kAuto;
};

// Beside the file first: nobody sees half of it.
absl::Status WriteTable(const std::string& text, const fs::path& path) {
  const fs::path beside = path.string() + ".part";
  {
    std::ofstream stream(beside, std::ios::binary);
    stream << text << std::flush;
    if (!stream) {
      return absl::PermissionDeniedError(
          absl::StrCat("cannot write ", beside.string(), "; name a place that can be written with --output"));
    }
  }
  std::error_code error;
  fs::rename(beside, path, error);
  if (!error) return absl::OkStatus();
  fs::remove(beside, error);
  return absl::PermissionDeniedError(absl::StrCat("cannot write ", path.string()));
}

absl::Status Calibrate(const CalibrateFlags& flags, Session& session) {
  if (fs::is_directory(flags.output)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--output ", flags.output, " is a folder; name a file for the table"));
  }
  const absl::StatusOr<nlohmann::json> table =
      RunWorkerForJson(flags.job, flags.progress, session, kLatencyTableFile);
  if (!table.ok()) return table.status();
  if (absl::Status written = WriteTable(table->dump(2) + "\n", flags.output); !written.ok()) return written;
  session.out << LatencyTableText(*table) << "table: " << flags.output << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddCalibrateCommand(CLI::App& app, Session& session) {
  auto flags = std::make_shared<CalibrateFlags>();
  flags->job.kind = "calibrate";
  CLI::App* command = app.add_subcommand(
      "calibrate", "Measure what a model's heads and neurons cost on this machine, for --target-latency");
  command->add_option("MODEL", flags->job.model, "Hugging Face model folder, not pruned")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--output", flags->output, "File for the table (JSON)")->required();
  nlohmann::json* const calibration = &flags->job.calibration;
  command
      ->add_option_function<int64_t>(
          "--batch-size", [calibration](int64_t size) { (*calibration)["batch_size"] = size; },
          "Sequences at once (default: 1)")
      ->check(CLI::PositiveNumber);
  AddSizesFlag(*command, "--lengths",
               "Tokens of a sequence; between them the table is interpolated (default: 16,32,64,128)",
               *calibration);
  command
      ->add_option_function<double>(
          "--seconds", [calibration](double seconds) { (*calibration)["seconds"] = seconds; },
          "Seconds of timing in all; more are steadier (default: 75)")
      ->check(CLI::PositiveNumber);
  std::vector<std::string> runtimes = {"auto"};
  runtimes.insert(runtimes.end(), kRuntimes.begin(), kRuntimes.end());
  command
      ->add_option_function<std::string>(
          "--runtime", [calibration](const std::string& name) { (*calibration)["runtime"] = name; },
          absl::StrCat("What runs the model: ", absl::StrJoin(runtimes, " | "),
                       " (default: auto: onnxruntime where there is one, else torchscript; on a GPU kprune)"))
      ->check(CLI::Validator(OneOf(runtimes), "", "name"));
  AddOptionFlags(OptionScope::kInference, *command, flags->job.options);
  AddProgressFlag(*command, flags->progress);
  command->footer(
      "Example:\n  kprune calibrate my-model --output latency.json\n"
      "  kprune run my-model --data samples.jsonl --target-latency 5ms --latency-table latency.json "
      "--output my-model-5ms\n"
      "KPRUNE_ONNXRUNTIME names a libonnxruntime.so.");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return Calibrate(*flags, session); }; });
}

}  // namespace kprune::client
