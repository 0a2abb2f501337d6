#include "engine/pruning/execution_plan.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/cost/rounding.h"
#include "engine/evaluation/outputs.h"
#include "engine/model/tape.h"

namespace kprune {
namespace {

// LibTorch with its thread pools, the pages of its kernels that a job touches and what oneDNN compiles,
// measured as what remains of the resident size of small jobs; and what a CUDA context with its libraries
// takes on the device.
constexpr int64_t kRuntimeBytes = int64_t{310} << 20;
constexpr int64_t kCudaContextBytes = int64_t{600} << 20;
// What remains resident in the machine's memory where a GPU computes: the same libraries, and CUDA's.
constexpr int64_t kCudaHostBytes = int64_t{1600} << 20;

// The libraries that exported files are checked with, and their programs: measured as what remains, too.
constexpr int64_t kExportBytes = int64_t{64} << 20;

// Samples as read, and the index tensors of the batches.
constexpr int64_t kIndexBytesPerToken = 60;

// Tokens of a text that are masked, as a share that allows for short ones; and tensors as large as the
// logits.
constexpr double kMasked = 0.2, kOutputCopies = 6;

// The widest sublayer's features.
int64_t WidestFeatures(const ModelConfig& config) {
  int64_t widest = 0;
  for (const auto& layer : config.heads)
    widest = std::max<int64_t>(widest, static_cast<int64_t>(layer.size()) * config.head_dim);
  for (const auto& layer : config.neurons)
    widest = std::max<int64_t>(widest, static_cast<int64_t>(layer.size()));
  return widest;
}

int64_t SublayerParameters(const ModelConfig& config) {
  int64_t parameters = 0;
  for (const int t : config.OwnSublayers()) {
    const bool attention = t % 2 == 0;
    const auto units = static_cast<int64_t>((attention ? config.heads : config.neurons)[t / 2].size());
    parameters += (attention ? 4 * config.head_dim : 2) * units * config.hidden_size;
  }
  return parameters;
}

// What a job holds all along: the model, what is kept of it, and both again in 16 bits if they compute so.
int64_t ModelBytes(const ModelConfig& config, const Workload& workload, double keep) {
  const double sublayers = static_cast<double>(SublayerParameters(config));
  double bytes = 4.0 * static_cast<double>(workload.parameters) + 4 * keep * sublayers;
  if (workload.compute_type == at::kBFloat16) bytes += 2 * (1 + keep) * sublayers;
  return static_cast<int64_t>(bytes);
}

// Projections that are packed once, both ways.
int64_t PackedBytes(const ModelConfig& config, at::ScalarType compute_type) {
  return 2 * SublayerParameters(config) * static_cast<int64_t>(c10::elementSize(compute_type));
}

// Logits of so many tokens, and what is made of them on the way to a gradient.
int64_t OutputBytes(const ModelConfig& config, int64_t tokens) {
  if (!HasTokenOutputs(config.task)) return 0;
  const double rows = static_cast<double>(tokens) * (config.task == Task::kMaskedLm ? kMasked : 1);
  return static_cast<int64_t>(rows * config.num_labels * 4 * kOutputCopies);
}

// Outputs of the samples that judge, of the original and of the result, as they are and as they are exported.
int64_t JudgedBytes(const ModelConfig& config, const Workload& workload) {
  if (config.task != Task::kMaskedLm) return 0;
  const double all = kMasked * static_cast<double>(workload.tokens) * config.num_labels;
  return 5 * 4 * std::min(kMostJudgedOutputs, static_cast<int64_t>(all));
}

// Verifying and judging: the original, and the result in memory, as it is written and as it is read; one
// batch's widest activations.
int64_t EvaluationBytes(const ModelConfig& config, const Workload& workload, double keep) {
  const double sublayers = static_cast<double>(SublayerParameters(config));
  const double kept = static_cast<double>(workload.parameters) - (1 - keep) * sublayers;
  const double widest =
      static_cast<double>(std::max<int64_t>(WidestFeatures(config), 4 * config.hidden_size));
  return kExportBytes +
         static_cast<int64_t>(4 * (static_cast<double>(workload.parameters) + 3 * kept) +
                              kEvaluationTokens * 4 * (2 * widest + 4.0 * config.hidden_size)) +
         JudgedBytes(config, workload);
}

// Sums and factors of the normal equations, and one batch in float64.
int64_t TuningBytes(const ModelConfig& config, double keep, int64_t batch_tokens) {
  const double kept = keep * static_cast<double>(WidestFeatures(config));
  const double widest = static_cast<double>(WidestFeatures(config));
  return static_cast<int64_t>(6 * 8 * kept * kept + static_cast<double>(batch_tokens) *
                                                        (12 * kept + 8 * widest + 40.0 * config.hidden_size));
}

// Method "refit": the Fisher matrices of all sublayers; in the search also the Gram matrix of one, its
// inverse and what they are made from; on a GPU those of some sublayers (half of them feed-forward).
int64_t FisherBytes(const ModelConfig& config) {
  return 8 * 2 * config.num_layers * config.hidden_size * config.hidden_size;
}
int64_t SearchBytes(const ModelConfig& config, int64_t batch_tokens, at::Device device) {
  const int64_t widest = WidestFeatures(config),
                sublayers = device.is_cpu() ? 1 : ExecutionPlan::kOrderedTogether / 2;
  return sublayers * 6 * 8 * widest * widest + batch_tokens * 12 * widest;
}

bool Spilled(const ExecutionPlan& plan, at::Device device) {
  return plan.streams == Place::kFile || (plan.streams == Place::kHost && !device.is_cpu());
}

// What is kept of so many tokens: both streams, and for "refit" the weights of tokens.
int64_t StreamBytes(const ModelConfig& config, const Options& options, int64_t tokens) {
  const int64_t token_weights = options.method == "refit" ? 2 * config.num_layers : 0;
  return tokens * (2 * config.hidden_size + token_weights) * 4;
}

// Samples as they are in memory, whatever computes.
int64_t SampleBytes(const Workload& workload) {
  return workload.tokens * kIndexBytesPerToken + workload.image_bytes;
}

// Largest resident memory of a worker whose GPU computes: the model as it is read and written, and what of
// the streams is there or passes by.
int64_t PredictHostMemory(const ModelConfig& config, const Workload& workload, const Options& options,
                          const ExecutionPlan& plan) {
  const int64_t tokens = plan.streams == Place::kHost   ? workload.tokens
                         : plan.streams == Place::kFile ? std::min(plan.batch_tokens, workload.tokens)
                                                        : 0;
  return kCudaHostBytes + SampleBytes(workload) + 2 * 4 * workload.parameters +
         StreamBytes(config, options, tokens);
}

}  // namespace

int MeasuredAtOnce(at::Device device, int64_t batch_tokens) {
  const int threads = at::get_num_threads();
  return device.is_cpu() && batch_tokens / threads >= ExecutionPlan::kThreadTokens ? threads : 1;
}

int64_t KeptFeatureBytes(const ModelConfig& config, at::ScalarType compute_type, int64_t batch_tokens) {
  return batch_tokens * Tape::BytesPerToken(config, compute_type) / 4;
}

int64_t PredictPeakMemory(const ModelConfig& config, const Workload& workload, const Options& options,
                          const ExecutionPlan& plan) {
  // Half as much again: what is kept is not spread evenly over the sublayers.
  const double share = options.largest_keep(), keep = std::min(1.0, 1.5 * share);
  const int64_t batch_tokens = std::min(std::max(plan.batch_tokens, workload.longest), workload.tokens);
  const int64_t runtime = workload.device.is_cpu() ? kRuntimeBytes : kCudaContextBytes;
  const int64_t streams =
      StreamBytes(config, options, Spilled(plan, workload.device) ? batch_tokens : workload.tokens);
  const bool refit = options.method == "refit";
  const bool packed = !refit && MeasuredAtOnce(workload.device, plan.batch_tokens) > 1;
  const int64_t measuring = batch_tokens * Tape::BytesPerToken(config, workload.compute_type) +
                            OutputBytes(config, batch_tokens) + (refit ? FisherBytes(config) : 0) +
                            (packed ? PackedBytes(config, workload.compute_type) : 0);
  const int64_t searching =
      refit ? FisherBytes(config) + SearchBytes(config, batch_tokens, workload.device) : 0;
  const double all_features = keep * static_cast<double>(WidestFeatures(config) * workload.tokens) *
                              static_cast<double>(c10::elementSize(workload.compute_type));
  const int64_t tuning = TuningBytes(config, keep, batch_tokens) +
                         std::min(KeptFeatureBytes(config, workload.compute_type, batch_tokens),
                                  static_cast<int64_t>(all_features));
  const int64_t models = ModelBytes(config, workload, share);
  const int64_t pruning = models + streams + std::max({measuring, searching, tuning});
  // Of several models each is judged while the streams wait for the next, and of several settings, too; the
  // original is counted once.
  const int64_t judging =
      EvaluationBytes(config, workload, share) + (options.has_several_models() || options.chooses_setting()
                                                      ? models + streams - 4 * workload.parameters
                                                      : 0);
  return runtime + SampleBytes(workload) + std::max(pruning, judging);
}

absl::StatusOr<ExecutionPlan> PlanExecution(const ModelConfig& config, const Workload& workload,
                                            const Options& options, const std::string& scratch_directory) {
  const bool cuda = workload.device.is_cuda();
  ExecutionPlan plan;
  plan.compute_type = workload.compute_type;
  plan.scratch_directory = scratch_directory;
  plan.rounding = RoundingFor(options, config, workload.device);
  const int64_t at_once = workload.compute_type == at::kBFloat16 ? 2 : 1;
  const int64_t fastest = cuda ? ExecutionPlan::kCudaBatchTokens : at_once * ExecutionPlan::kCpuBatchTokens;
  const int64_t limit = options.memory_limit_bytes;

  std::vector<Place> places = {Place::kDevice};
  if (cuda) places.push_back(Place::kHost);
  places.push_back(Place::kFile);
  // Without a limit, only the place of the streams gives way: it changes no bit of the result. With one, too,
  // where batches are in a GPU's memory.
  const int64_t smallest = limit > 0 && !cuda ? fastest / 4 : fastest;
  int64_t needed = 0;
  const auto fits = [&](Place place, int64_t batch_tokens) {
    plan.streams = place;
    plan.batch_tokens = batch_tokens;
    const int64_t peak = PredictPeakMemory(config, workload, options, plan);
    needed = cuda ? PredictHostMemory(config, workload, options, plan) : peak;
    // A limit says how much of the machine's memory there is.
    const int64_t host = limit > 0 ? limit : cuda ? workload.host_free_bytes : workload.free_bytes;
    const bool fits_gpu = !cuda || workload.free_bytes <= 0 || peak <= workload.free_bytes;
    return fits_gpu && (host <= 0 || needed <= host);
  };
  for (Place place : places) {
    for (int64_t tokens = fastest; tokens >= smallest; tokens /= 2) {
      if (fits(place, tokens)) return plan;
    }
  }
  // Free memory is no promise of anybody's: the job may try.
  if (limit <= 0 || needed <= limit) return plan;
  for (int64_t tokens = smallest / 2; tokens >= ExecutionPlan::kMinBatchTokens; tokens /= 2) {
    if (fits(Place::kFile, tokens)) return plan;
  }
  return absl::ResourceExhaustedError(
      absl::StrCat("memory_limit_bytes is ", limit, ", but this model with these samples needs at least ",
                   needed, " bytes; raise it, or use a shorter max_length or fewer samples"));
}

}  // namespace kprune
