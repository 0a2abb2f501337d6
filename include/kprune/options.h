// Options of a pruning job, as plain values. The wire form is kprune.v1.Options; names, meaning and defaults
// are the same.
#ifndef KPRUNE_OPTIONS_H_
#define KPRUNE_OPTIONS_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kprune/latency_table.h"

namespace kprune {

// The accepted values of the options that are names. Everything that lists or checks them reads these tables.
inline constexpr std::array kMethods = {"refit", "kprune"};
inline constexpr std::array kPrecisions = {"auto", "fp32", "bf16"};
inline constexpr std::array kPredictives = {"fisher", "kl-gradient"};
inline constexpr std::array kScorings = {"exact", "paper-code"};
inline constexpr std::array kBatchOrders = {"length", "file"};
inline constexpr std::array kTruncations = {"longest_first", "only_first", "only_second"};
inline constexpr std::array kPoolings = {"auto", "mean", "cls", "last-token", "max", "mean-sqrt-len"};
inline constexpr std::array kExports = {"safetensors", "onnx", "torchscript", "dense", "triton"};
inline constexpr std::array kDefaultExports = {"onnx", "safetensors", "torchscript"};
inline constexpr std::array kRoundings = {"device", "off", "auto"};
inline constexpr std::array kRequiredVerifiers = {"any", "onnxruntime"};

// What the fields of data can be (docs/data.md).
inline constexpr std::array kColumnRoles = {"text",     "text_pair", "label",   "tokens", "tags",
                                            "question", "context",   "answers", "choices"};

// What models are timed in.
inline constexpr std::array kRuntimes = {"kprune", "torchscript", "onnxruntime"};

// The smallest memory limit that may be given.
inline constexpr int64_t kMinMemoryLimitBytes = int64_t{512} << 20;

// The budget where none is given, and the most that one job may have.
inline constexpr double kDefaultKeepFlops = 0.5;
inline constexpr size_t kMaxBudgets = 16;

// The shares of the FLOPs among which max_drop looks for the smallest model: from least to most, in steps.
inline constexpr double kLeastSearchedKeep = 0.05, kMostSearchedKeep = 0.95, kSearchedKeepStep = 0.015;

struct Options {
  // Pruning method, one of kMethods: "refit" removes what matters least once the rest is refitted; "kprune"
  // is the paper's.
  std::string method = "refit";

  // Shares of the prunable FLOPs to keep, each in (0, 1): one model for each. Empty means kDefaultKeepFlops,
  // unless max_drop or target_latency_ms is set; they exclude each other.
  std::vector<double> keep_flops;

  // Method "refit". The smallest model is wanted that loses at most so many points against the original, in
  // (0, 100), as the upper end of a 95 % interval on the samples that judge has it.
  std::optional<double> max_drop;

  // Method "refit", instead of keep_flops. The best model is wanted that takes at most so many milliseconds
  // by `latency_table`, above 0; the two are set together.
  std::optional<double> target_latency_ms;
  std::optional<LatencyTable> latency_table;

  // "auto" (from config.json and modules.json) or one of kTasks.
  std::string task = "auto";

  // Lines of data to draw by `seed`; 0 means all.
  int32_t samples = 0;

  // Fields of the data by other names than the usual ones: "role=NAME", role one of kColumnRoles and each
  // once; "role=" leaves that role out.
  std::vector<std::string> columns;

  // Longest sequence in tokens, special tokens included; 0 means the model's own limit.
  int32_t max_length = 0;

  // Which text of a pair gives way where it is longer, one of kTruncations.
  std::string truncation = "longest_first";

  // Seed of every random choice.
  uint32_t seed = 0;

  // "auto", "cpu" or "cuda:N".
  std::string device = "auto";

  // Precision of the matrix products of the model, one of kPrecisions. "auto" is bf16 where that is faster (on
  // processors with AMX or AVX512-FP16, AMD's with AVX512-BF16, GPUs with bf16 tensor cores), else fp32. Gram
  // matrices accumulate in float64 whatever is chosen.
  std::string precision = "auto";

  // Method "refit". Variants of every sample that are made up for measuring and refitting, without labels.
  int32_t variants = 2;

  // Method "refit". How much more the tokens count that the output cares about: 0 not at all, 1 in
  // proportion.
  double token_weighting = 0.5;

  // Method "refit". Shares of the mean diagonal that are added: to the Gram matrices that decide what leaves;
  // to those of the output refit; and to those of the input refit, which 0 leaves out.
  double damping = 0.1;
  double ridge = 1e-3;
  double input_ridge = 1e-2;

  // Method "refit". Steps of a short training without labels that ends it; pays for the smallest budgets.
  int32_t distill = 0;

  // Estimator of predictive knowledge, one of kPredictives.
  std::string predictive = "fisher";

  // One of kScorings: "exact" is the paper's equations; "paper-code" averages a head's knowledge over its
  // dimensions and K_rep over the hidden size, as the paper's own code does.
  std::string scoring = "exact";

  // Weights of predictive and representational knowledge, and of heads against neurons. mu defaults to 1 with
  // "exact" and to 64 with "paper-code".
  double lambda_pred = 1.0;
  double lambda_rep = 2.5e-4;
  std::optional<double> mu;

  // Method "kprune": knowledge is measured before the first sublayer and then before every N-th; what a
  // measurement says decides which units of the sublayers up to the next one stay. 1 is the paper's way; 2 is
  // once a layer, in some two thirds of the time. 1 to 64.
  int32_t measure_every = 1;

  // Softmax temperature (the paper's gamma).
  double temperature = 2.0;

  // Tokens a sequence at which FLOPs are counted; 0 means the mean over the samples.
  double sequence_length = 0.0;

  // Sequences whose mean gradient the kl-gradient estimator squares, and their order, one of kBatchOrders.
  // The exact Fisher does not depend on either, and neither says how many sequences are computed at once.
  int32_t batch_size = 32;
  std::string batch_order = "length";

  // Threads; 0 means the number of processors available to the process.
  int32_t threads = 0;

  // Most memory of this machine that the worker may use, in bytes (its resident size; not the device's
  // memory); 0 means no limit, else at least kMinMemoryLimitBytes.
  int64_t memory_limit_bytes = 0;

  // Share of the lines (at most 512 of them) that only judges the result, in [0, 1).
  double holdout = 0.1;

  // Pooling of feature extraction, one of kPoolings, and whether embeddings are scaled to length 1; unset:
  // from the model's modules.json, else no.
  std::string pooling = "auto";
  std::optional<bool> normalize;
  // Gives layers that share their weights (ALBERT) weights of their own, which are pruned each for itself:
  // more accurate, and a larger file. Otherwise they stay one and are pruned as one.
  bool unshare_layers = false;

  // Method "kprune". Whether the run itself chooses lambda_rep, and mu, which are not read then: settings of
  // a small grid prune with three quarters of the samples and are compared with the original on the others.
  bool auto_lambda_rep = false;
  bool auto_mu = false;

  // What the result has beside config.json and tokenizer, of kExports; "safetensors" is always there. Empty
  // means kDefaultExports.
  std::vector<std::string> exports;

  // One of kRequiredVerifiers. "onnxruntime": the job fails unless ONNX Runtime has run the exported model.
  std::string require_verified = "any";

  // Multiples that the kept heads and neurons of every layer are rounded to: one of kRoundings, or
  // ToString(Rounding).
  std::string round = "device";

  bool has_export(std::string_view format) const {
    const auto wanted = [&](const auto& formats) {
      return std::find(formats.begin(), formats.end(), format) != formats.end();
    };
    return exports.empty() ? wanted(kDefaultExports) : wanted(exports);
  }

  // Whether budgets() are what limits the models.
  bool has_flops_budgets() const { return !max_drop && !target_latency_ms; }
  // The budgets that were asked for; with max_drop and target_latency_ms only what is usual.
  std::vector<double> budgets() const {
    return keep_flops.empty() ? std::vector<double>{kDefaultKeepFlops} : keep_flops;
  }
  // Of all models that the job may make.
  double largest_keep() const {
    const std::vector<double> shares = budgets();
    return has_flops_budgets() ? *std::max_element(shares.begin(), shares.end()) : kMostSearchedKeep;
  }
  bool has_several_models() const { return max_drop || keep_flops.size() > 1; }

  // Whether knowledge is measured before the k-th of the sublayers.
  bool measures_before(int k) const { return k % measure_every == 0; }

  double default_mu() const { return scoring == "paper-code" ? 64.0 : 1.0; }
  double effective_mu() const { return mu.value_or(default_mu()); }
  bool chooses_setting() const { return auto_lambda_rep || auto_mu; }
};

}  // namespace kprune

#endif  // KPRUNE_OPTIONS_H_
