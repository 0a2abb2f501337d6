// kprune-bench: one pruning in this process, measured; one JSON object on standard output. docs/benchmark.md
// describes it.
#include <c10/util/Exception.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <exception>
#include <iostream>
#include <new>
#include <string>

#include "bench/bench_run.h"
#include "bench/engine_flags.h"
#include "engine/formats/options_json.h"
#include "worker/processors.h"

namespace {

constexpr int kFailed = 1, kUsage = 2;

int Run(kprune::BenchRequest& request, const nlohmann::json& option_values) {
  const auto fail = [](std::string_view message) {
    std::cerr << "kprune-bench: " << message << "\n";
    return kFailed;
  };
  absl::StatusOr<kprune::Options> options = kprune::ParseOptions(option_values);
  if (!options.ok()) return fail(std::string(options.status().message()));
  request.options = *std::move(options);
  try {
    const absl::StatusOr<nlohmann::ordered_json> result = kprune::RunBench(request);
    if (!result.ok()) return fail(std::string(result.status().message()));
    std::cout << result->dump(2) << std::endl;
    return std::cout ? 0 : fail("cannot write to standard output");
  } catch (const std::bad_alloc&) {
    return fail("out of memory; take fewer samples or a smaller model");
  } catch (const c10::OutOfMemoryError&) {
    return fail("the device is out of memory; take fewer samples or a smaller model");
  } catch (const c10::Error& error) {
    return fail(std::string("LibTorch failed: ") + error.what_without_backtrace());
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  kprune::LimitSpinning(argv);
  kprune::KeepFreedMemory();
  kprune::UseLargePages();
  CLI::App app(
      "Prunes one model in this process and prints what it took as one JSON object. The model is a folder "
      "(--model, --data) or, without --model, a BERT text classifier with random weights.");
  app.set_version_flag("--version", "kprune-bench " KPRUNE_VERSION);
  kprune::BenchRequest request;
  nlohmann::json option_values = {{"method", "kprune"}, {"precision", "fp32"}, {"holdout", 0}};
  int64_t samples = 0;
  auto* model =
      app.add_option("--model", request.model, "Hugging Face folder")->check(CLI::ExistingDirectory);
  auto* data = app.add_option("--data", request.data, "JSONL file of samples")->check(CLI::ExistingFile);
  app.add_option("--eval", request.eval, "JSONL file of labelled samples: reports accuracy")
      ->check(CLI::ExistingFile)
      ->needs(model);
  model->needs(data);
  data->needs(model);
  app.add_option("--samples", samples, "Samples; of a file: lines drawn, 0 for all; random: 512")
      ->check(CLI::NonNegativeNumber);
  const auto add_shape_flag = [&](const char* flag, int& value, const char* text) {
    return app.add_option(flag, value, text)
        ->capture_default_str()
        ->check(CLI::PositiveNumber)
        ->excludes(model);
  };
  add_shape_flag("--tokens", request.random_tokens, "Tokens of every random sample");
  add_shape_flag("--layers", request.shape.layers, "Layers of the random model");
  add_shape_flag("--hidden", request.shape.hidden, "Hidden size of the random model");
  add_shape_flag("--heads", request.shape.heads, "Heads of a layer of the random model");
  auto* intermediate =
      app.add_option("--intermediate", request.shape.intermediate, "Neurons of a layer; 4 * hidden")
          ->check(CLI::PositiveNumber)
          ->excludes(model);
  kprune::AddEngineFlags(app, option_values);
  app.add_option("--sublayers", request.sublayers, "Stop after so many sublayers; 0: after the last")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--gemm-seconds", request.gemm_seconds,
                 "Time for each product that the machine's limit is measured with; 0 leaves the limit out")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (request.shape.hidden % request.shape.heads != 0) {
    std::cerr << "kprune-bench: --hidden is " << request.shape.hidden
              << ", accepted are multiples of --heads (" << request.shape.heads << ")\n";
    return kUsage;
  }
  if (intermediate->count() == 0) request.shape.intermediate = 4 * request.shape.hidden;
  request.shape.max_positions = std::max(request.shape.max_positions, request.random_tokens);
  if (!request.model.empty()) option_values["samples"] = samples;
  if (request.model.empty() && samples > 0) request.random_samples = samples;
  return Run(request, option_values);
}
