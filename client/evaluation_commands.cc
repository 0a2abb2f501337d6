// kprune eval, compare, bench, tokenize and verify: what a worker on this machine finds out about models.
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/command.h"
#include "client/evaluation_view.h"
#include "client/local_command.h"
#include "client/option_flags.h"
#include "kprune/worker_protocol.h"

namespace kprune::client {
namespace {

struct EvaluationFlags {
  LocalJobSpec job;
  ProgressMode progress = ProgressMode::kAuto;
  TextFormat format = TextFormat::kText;
};

using TextView = std::string (*)(const nlohmann::json&);

// Prints a JSON file of the result, as it is or through `view`.
absl::Status RunAndPrint(const EvaluationFlags& flags, const std::string& result_file, TextView view,
                         Session& session) {
  const absl::StatusOr<nlohmann::json> result =
      RunWorkerForJson(flags.job, flags.progress, session, result_file);
  if (!result.ok()) return result.status();
  session.out << (flags.format == TextFormat::kJson ? result->dump() + "\n" : view(*result));
  return absl::OkStatus();
}

absl::Status Tokenize(const EvaluationFlags& flags, Session& session) {
  const absl::StatusOr<std::string> text = RunWorkerForFile(flags.job, flags.progress, session, kTokensFile);
  if (text.ok()) session.out << *text;
  return text.status();
}

// The parts that the commands share.
CLI::App* AddCommand(CLI::App& app, const std::string& name, const std::string& help, const std::string& kind,
                     const std::string& folder, const std::shared_ptr<EvaluationFlags>& flags) {
  flags->job.kind = kind;
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option(folder, flags->job.model, "Model folder, pruned or not")
      ->required()
      ->check(CLI::ExistingDirectory);
  AddProgressFlag(*command, flags->progress);
  return command;
}

void AddData(CLI::App& command, EvaluationFlags& flags, const std::string& help) {
  AddDataFlag(command, flags.job.data, help);
  AddOptionFlags(OptionScope::kInference, command, flags.job.options);
}

void AddEval(CLI::App& app, Session& session) {
  auto flags = std::make_shared<EvaluationFlags>();
  CLI::App* command = AddCommand(app, "eval", "Measure a model: metric on labelled data, FLOPs, latency",
                                 "evaluate", "FOLDER", flags);
  AddData(*command, *flags, "Samples, labelled for a metric");
  AddFormatFlag(*command, flags->format);
  command->footer("Example:\n  kprune eval my-model-half --data dev.jsonl --format json");
  command->callback([flags, &session] {
    session.action = [flags, &session] {
      return RunAndPrint(*flags, kEvaluationFile, EvaluationText, session);
    };
  });
}

void AddCompare(CLI::App& app, Session& session) {
  auto flags = std::make_shared<EvaluationFlags>();
  CLI::App* command = AddCommand(app, "compare", "Compare pruned models with their original, side by side",
                                 "compare", "ORIGINAL", flags);
  command->add_option("PRUNED", flags->job.others, "Pruned model folders")
      ->required()
      ->check(CLI::ExistingDirectory);
  AddData(*command, *flags, "Samples, labelled for a metric");
  AddFormatFlag(*command, flags->format);
  command->footer("Example:\n  kprune compare my-model my-model-half my-model-third --data dev.jsonl");
  command->callback([flags, &session] {
    session.action = [flags, &session] {
      return RunAndPrint(*flags, kComparisonFile, ComparisonText, session);
    };
  });
}

void AddBench(CLI::App& app, Session& session) {
  auto flags = std::make_shared<EvaluationFlags>();
  CLI::App* command = AddCommand(
      app, "bench",
      "Time models in turns, as TorchScript, in ONNX Runtime where there is one, and in kprune itself",
      "bench", "ORIGINAL", flags);
  command->add_option("PRUNED", flags->job.others, "Pruned model folders")->check(CLI::ExistingDirectory);
  AddSizesFlag(*command, "--batch-sizes", "Sequences at once, such as 1,8,64 (default: 1,8,64)",
               flags->job.bench);
  AddSizesFlag(*command, "--lengths",
               "Tokens of every sequence, such as 25,50 (default: 25,50; images have as many as they have)",
               flags->job.bench);
  command
      ->add_option_function<int64_t>(
          "--repeats", [bench = &flags->job.bench](int64_t count) { (*bench)["repeats"] = count; },
          "Turns that are timed (default: 11)")
      ->check(CLI::PositiveNumber);
  AddOptionFlags(OptionScope::kInference, *command, flags->job.options);
  AddFormatFlag(*command, flags->format);
  command->footer("Example:\n  kprune bench my-model my-model-half --batch-sizes 8,64 --lengths 50");
  command->callback([flags, &session] {
    session.action = [flags, &session] { return RunAndPrint(*flags, kBenchFile, BenchText, session); };
  });
}

void AddTokenize(CLI::App& app, Session& session) {
  auto flags = std::make_shared<EvaluationFlags>();
  CLI::App* command =
      AddCommand(app, "tokenize", "Print the token ids of texts as JSON lines", "tokenize", "MODEL", flags);
  AddData(*command, *flags, "Samples");
  command->footer("Example:\n  kprune tokenize my-model --data samples.jsonl | head -3");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return Tokenize(*flags, session); }; });
}

void AddVerify(CLI::App& app, Session& session) {
  auto flags = std::make_shared<EvaluationFlags>();
  CLI::App* command =
      AddCommand(app, "verify", "Check that a result is complete and sound, and run every form of it",
                 "verify", "FOLDER", flags);
  command
      ->add_option("--public-key", flags->job.public_key,
                   "Public key (PEM): the result must be signed with its private half")
      ->check(CLI::ExistingFile);
  AddFormatFlag(*command, flags->format);
  command->footer("Example:\n  kprune verify my-model-half --public-key release.pub.pem");
  command->callback([flags, &session] {
    session.action = [flags, &session] {
      return RunAndPrint(*flags, kVerificationFile, VerificationText, session);
    };
  });
}

}  // namespace

void AddEvaluationCommands(CLI::App& app, Session& session) {
  AddEval(app, session);
  AddCompare(app, session);
  AddBench(app, session);
  AddTokenize(app, session);
  AddVerify(app, session);
}

}  // namespace kprune::client
