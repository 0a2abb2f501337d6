// kprune-accuracy: prunes one model to several budgets in this process and prints one JSON object a line for
// each.
#include <CLI/CLI.hpp>
#include <iostream>
#include <string>

#include "bench/accuracy_run.h"
#include "bench/engine_flags.h"
#include "engine/formats/options_json.h"
#include "worker/processors.h"

namespace {

constexpr int kFailed = 1, kUsage = 2;

int Fail(const std::string& message) {
  std::cerr << "kprune-accuracy: " << message << "\n";
  return kFailed;
}

int Run(const kprune::AccuracyRequest& request) {
  try {
    const absl::Status status = kprune::RunAccuracy(
        request, [](const nlohmann::ordered_json& result) { std::cout << result.dump() << std::endl; });
    if (!status.ok()) return Fail(std::string(status.message()));
    return std::cout ? 0 : Fail("cannot write to standard output");
  } catch (const std::exception& error) {
    return Fail(error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  kprune::LimitSpinning(argv);
  kprune::KeepFreedMemory();
  kprune::UseLargePages();
  CLI::App app(
      "Prunes one model to several budgets in this process and prints, for each, one JSON object with the "
      "metric on "
      "labelled samples and the agreement with the original on samples that were held out.");
  app.set_version_flag("--version", "kprune-accuracy " KPRUNE_VERSION);
  kprune::AccuracyRequest request;
  nlohmann::json option_values = nlohmann::json::object();
  app.add_option("--model", request.model, "Hugging Face folder")->required()->check(CLI::ExistingDirectory);
  app.add_option("--data", request.data, "JSONL file of samples")->required()->check(CLI::ExistingFile);
  app.add_option("--eval", request.eval, "JSONL file of labelled samples")->check(CLI::ExistingFile);
  app.add_option("--budgets", request.budgets, "Shares of the FLOPs to keep, such as 0.5,0.3")
      ->required()
      ->delimiter(',')
      ->check(CLI::Range(0.0, 1.0));
  app.add_option_function<int>(
      "--samples", [&](int samples) { option_values["samples"] = samples; }, "Lines that prune; 0: all");
  kprune::AddEngineFlags(app, option_values);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  absl::StatusOr<kprune::Options> options = kprune::ParseOptions(option_values);
  if (!options.ok()) return Fail(std::string(options.status().message()));
  request.options = *std::move(options);
  return Run(request);
}
