#include "bench/engine_flags.h"

#include <string>

namespace kprune {
namespace {

template <typename Value>
CLI::Option* AddOptionFlag(CLI::App& app, nlohmann::json& options, const std::string& flag,
                           const std::string& field, const std::string& text) {
  return app.add_option_function<Value>(
      flag, [&options, field](const Value& value) { options[field] = value; }, text);
}

// A number, or "auto" for the field that has the run choose.
void AddNumberOrAutoFlag(CLI::App& app, nlohmann::json& options, const std::string& flag,
                         const std::string& field, const std::string& text) {
  app.add_option_function<std::string>(
      flag,
      [&options, field](const std::string& value) {
        if (value == "auto") {
          options["auto_" + field] = true;
        } else {
          options[field] = value;
        }
      },
      text);
}

}  // namespace

void AddEngineFlags(CLI::App& app, nlohmann::json& options) {
  AddOptionFlag<std::string>(app, options, "--method", "method", "kprune or refit; kprune");
  AddOptionFlag<int>(app, options, "--variants", "variants", "refit: variants of every sample; 2");
  AddOptionFlag<double>(app, options, "--token-weighting", "token_weighting", "refit: from 0 to 1; 0.5");
  AddOptionFlag<double>(app, options, "--damping", "damping", "refit: of the search; 0.1");
  AddOptionFlag<double>(app, options, "--ridge", "ridge", "refit: of output projections; 1e-3");
  AddOptionFlag<double>(app, options, "--input-ridge", "input_ridge", "refit: of input projections; 1e-2");
  AddOptionFlag<int>(app, options, "--distill", "distill", "refit: steps of training at the end; 0");
  AddOptionFlag<std::string>(app, options, "--round", "round",
                             "device, off or such as heads:2,neurons:16; device");
  AddOptionFlag<double>(app, options, "--keep-flops", "keep_flops", "Share of the FLOPs to keep; 0.5");
  AddOptionFlag<int>(app, options, "--threads", "threads", "Threads; 0: all processors");
  AddOptionFlag<std::string>(app, options, "--precision", "precision", "fp32 or bf16; fp32")
      ->check(CLI::IsMember({"fp32", "bf16"}));
  AddOptionFlag<std::string>(app, options, "--device", "device", "auto, cpu or cuda:N; auto");
  AddOptionFlag<int64_t>(app, options, "--seed", "seed", "Seed of the draw and of random weights; 0");
  AddOptionFlag<std::string>(app, options, "--predictive", "predictive", "fisher or kl-gradient; fisher");
  AddOptionFlag<std::string>(app, options, "--scoring", "scoring", "exact or paper-code; exact");
  AddNumberOrAutoFlag(app, options, "--lambda-rep", "lambda_rep",
                      "Weight of representational knowledge, or auto");
  AddOptionFlag<int>(app, options, "--measure-every", "measure_every", "kprune: before every N-th; 1");
  AddNumberOrAutoFlag(app, options, "--mu", "mu", "Weight of heads against neurons, or auto");
  AddOptionFlag<int>(app, options, "--max-length", "max_length", "Longest sequence; 0: the model's limit");
  AddOptionFlag<double>(app, options, "--sequence-length", "sequence_length",
                        "Tokens at which FLOPs are counted; 0: the samples' mean");
  AddOptionFlag<int64_t>(app, options, "--memory-limit", "memory_limit_bytes", "Such as 4GiB; 0: none")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
}

}  // namespace kprune
