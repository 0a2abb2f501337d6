// RunCalibrate: what a model's sublayers cost on this machine. Models of the same shape, all of whose layers
// are alike, are timed at every length; what a layer costs are differences of whole models, as it is
// there that layers run.
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <numeric>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engine/cost/latency_table.h"
#include "engine/formats/latency_table_json.h"
#include "kprune/worker_protocol.h"
#include "worker/configured_onnxruntime.h"
#include "worker/devices.h"
#include "worker/inputs.h"
#include "worker/jobs.h"
#include "worker/result_folder.h"
#include "worker/timed_model.h"

namespace kprune {
namespace {

using nlohmann::json;

constexpr int kFewestPasses = 3, kMostPasses = 200;
constexpr int64_t kEvenSteps = 12;         // of a kind
constexpr int64_t kNeuronStep = 16;        // widths that kernels like
constexpr size_t kModelsPerReference = 5;  // the machine's pace is looked at again after so many
constexpr int kVocabulary = 1000;          // the embeddings that are kept
constexpr double kUnsteady = 1.3;          // of the upper to the lower decile of passes
constexpr double kUnsteadyPace = 1.15;     // of medians of one model over the whole time

// From 0 to all in even steps of multiples of `step`, and some between the first two: the first few units are
// dearer than those that come to many.
std::vector<int64_t> Widths(int64_t all, int64_t step) {
  std::set<int64_t> widths = {0, std::min(step, all), std::min(2 * step, all), std::min(4 * step, all), all};
  for (int64_t i = 1; i < kEvenSteps; ++i) widths.insert(all * i / kEvenSteps / step * step);
  return {widths.begin(), widths.end()};
}

// `model` whose layers all keep so many heads and neurons.
Encoder WithWidths(const Encoder& model, int64_t heads, int64_t neurons) {
  Encoder uniform = model;
  Selection first_heads(heads), first_neurons(neurons);
  std::iota(first_heads.begin(), first_heads.end(), 0);
  std::iota(first_neurons.begin(), first_neurons.end(), 0);
  for (const int t : model.config.OwnSublayers())
    uniform.Keep(t, uniform.sublayers[t].kind == SublayerKind::kAttention ? first_heads : first_neurons);
  return uniform;
}

struct Timing {
  double median_ms = 0;
  double spread = 1;  // the upper decile over the lower one
};

class CalibrateJob {
 public:
  CalibrateJob(const WorkerJob& job, ProgressObserver& observer) : job_(job), observer_(observer) {}

  absl::Status Run() {
    for (absl::Status (CalibrateJob::*step)() :
         {&CalibrateJob::Load, &CalibrateJob::ChooseRuntime, &CalibrateJob::ChooseLengths,
          &CalibrateJob::Measure, &CalibrateJob::Publish}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  // Median milliseconds of one model, by length.
  using Medians = std::vector<double>;

  absl::Status Load();
  absl::Status ChooseRuntime();
  absl::Status ChooseLengths();
  absl::Status Measure();
  absl::StatusOr<Medians> TimeModel(int64_t heads, int64_t neurons);
  absl::StatusOr<Timing> TimeBatch(TimedModel& model, TimedBatch& batch);
  absl::StatusOr<std::vector<Medians>> TimeModels(const std::vector<std::pair<int64_t, int64_t>>& widths);
  absl::Status Publish();

  const WorkerJob& job_;
  ProgressObserver& observer_;
  at::Device device_ = at::kCPU;
  std::unique_ptr<OnnxRuntime> onnxruntime_;  // null: none
  std::string runtime_;
  Encoder model_;  // with a small vocabulary
  std::vector<int64_t> lengths_;
  std::vector<TimedBatch> batches_;  // of each length
  LatencyTable table_;
  double seconds_a_batch_ = 0;  // of timing one model at one length
  size_t models_timed_ = 0, models_to_time_ = 1;
  double spread_ = 1;          // the largest of any model at any length
  double change_of_pace_ = 1;  // of the reference's slowest median to its fastest
};

absl::Status CalibrateJob::Load() {
  observer_.OnStage(Stage::kLoad, 0);
  absl::StatusOr<at::Device> device = ResolveDevice(job_.options.device);
  if (!device.ok()) return device.status();
  device_ = *device;
  auto onnxruntime = LoadConfiguredOnnxRuntime(job_.onnxruntime, job_.options);
  if (!onnxruntime.ok()) return onnxruntime.status();
  onnxruntime_ = *std::move(onnxruntime);
  absl::StatusOr<Encoder> encoder = OpenEncoder(job_.model, job_.options, device_);
  if (!encoder.ok()) return encoder.status();
  model_ = *std::move(encoder);
  ModelConfig& config = model_.config;
  for (int layer = 0; layer < config.num_layers; ++layer) {
    if (static_cast<int>(config.heads[layer].size()) == config.num_heads &&
        static_cast<int>(config.neurons[layer].size()) == config.intermediate_size)
      continue;
    return absl::InvalidArgumentError(absl::StrCat(job_.model.string(), " was pruned: layer ", layer,
                                                   " lacks heads or neurons; calibrate with the original"));
  }
  // What a token's embedding costs does not depend on how many there are; files do.
  if (config.patches) return absl::OkStatus();
  config.vocab_size = std::min(config.vocab_size, kVocabulary);
  model_.word_embeddings = model_.word_embeddings.slice(0, 0, config.vocab_size).contiguous();
  return absl::OkStatus();
}

absl::Status CalibrateJob::ChooseRuntime() {
  const std::string& wanted = job_.calibration.runtime;
  const bool cuda = device_.is_cuda();
  runtime_ = wanted != "auto" ? wanted : cuda ? "kprune" : RuntimesWith(onnxruntime_.get()).back();
  if (cuda && runtime_ != "kprune") {
    return absl::InvalidArgumentError(
        absl::StrCat("calibration.runtime is ", runtime_, ", which runs on the CPU here; set device cpu"));
  }
  if (runtime_ == "onnxruntime" && onnxruntime_ == nullptr) {
    return absl::FailedPreconditionError(
        "calibration.runtime is onnxruntime, but there is no ONNX Runtime; name a libonnxruntime.so with "
        "KPRUNE_ONNXRUNTIME");
  }
  return absl::OkStatus();
}

absl::Status CalibrateJob::ChooseLengths() {
  lengths_ = job_.calibration.lengths;
  const int64_t most = model_.config.max_positions;
  if (model_.config.patches && !lengths_.empty() && lengths_ != std::vector<int64_t>{most}) {
    return absl::InvalidArgumentError(absl::StrCat("calibration.lengths is given, but ", job_.model.string(),
                                                   " makes ", most, " tokens of every image; leave it out"));
  }
  if (lengths_.empty()) {
    for (const int64_t length : kUsualLengths)
      if (length <= most && !model_.config.patches) lengths_.push_back(length);
    if (lengths_.empty()) lengths_.push_back(most);
  }
  if (lengths_.back() > most) {
    return absl::InvalidArgumentError(absl::StrCat("calibration.lengths has ", lengths_.back(), ", but ",
                                                   job_.model.string(), " takes at most ", most, " tokens"));
  }
  for (const int64_t length : lengths_) {
    const LatencySetting setting{static_cast<int>(job_.calibration.batch_size), length};
    batches_.push_back(MakeTimedBatch(setting, model_.config, device_));
  }
  return absl::OkStatus();
}

absl::Status CalibrateJob::Measure() {
  const ModelConfig& config = model_.config;
  table_.heads = Widths(config.num_heads, 1);
  table_.neurons = Widths(config.intermediate_size, std::min<int64_t>(kNeuronStep, config.intermediate_size));
  const size_t middle_heads = table_.heads.size() / 2, middle_neurons = table_.neurons.size() / 2;
  std::vector<std::pair<int64_t, int64_t>> widths;
  for (const int64_t heads : table_.heads) widths.emplace_back(heads, table_.neurons[middle_neurons]);
  for (const int64_t neurons : table_.neurons) widths.emplace_back(table_.heads[middle_heads], neurons);
  const absl::StatusOr<std::vector<Medians>> times = TimeModels(widths);
  if (!times.ok()) return times.status();
  for (size_t length = 0; length < lengths_.size(); ++length) {
    WholeModelTimes whole;
    whole.middle_heads = middle_heads;
    whole.middle_neurons = middle_neurons;
    for (size_t i = 0; i < times->size(); ++i)
      (i < table_.heads.size() ? whole.by_heads : whole.by_neurons).push_back((*times)[i][length]);
    // Both have the model with both middles, timed twice.
    double &a = whole.by_heads[middle_heads], &b = whole.by_neurons[middle_neurons];
    a = b = (a + b) / 2;
    table_.rows.push_back(RowFrom(lengths_[length], config.num_layers, whole));
  }
  return absl::OkStatus();
}

// Times of models of these widths, as if the machine had kept its pace: a reference is timed before and after
// every few of them.
absl::StatusOr<std::vector<CalibrateJob::Medians>> CalibrateJob::TimeModels(
    const std::vector<std::pair<int64_t, int64_t>>& widths) {
  const auto [heads, neurons] = widths[table_.heads.size() / 2];
  models_to_time_ = widths.size() + widths.size() / kModelsPerReference + 2;
  seconds_a_batch_ = job_.calibration.seconds / static_cast<double>(models_to_time_ * lengths_.size());
  std::vector<Medians> times, references;
  for (size_t i = 0; i <= widths.size(); ++i) {
    if (i % kModelsPerReference == 0 || i == widths.size()) {
      absl::StatusOr<Medians> reference = TimeModel(heads, neurons);
      if (!reference.ok()) return reference.status();
      references.push_back(*std::move(reference));
    }
    if (i == widths.size()) break;
    absl::StatusOr<Medians> model = TimeModel(widths[i].first, widths[i].second);
    if (!model.ok()) return model.status();
    times.push_back(*std::move(model));
  }
  for (size_t length = 0; length < lengths_.size(); ++length) {
    std::vector<double> paces;
    for (const Medians& reference : references) paces.push_back(reference[length]);
    std::sort(paces.begin(), paces.end());
    const double usual = paces[paces.size() / 2];
    change_of_pace_ = std::max(change_of_pace_, paces.back() / paces.front());
    for (size_t i = 0; i < times.size(); ++i) {
      const size_t before = i / kModelsPerReference;
      times[i][length] *= 2 * usual / (references[before][length] + references[before + 1][length]);
    }
  }
  return times;
}

absl::StatusOr<CalibrateJob::Medians> CalibrateJob::TimeModel(int64_t heads, int64_t neurons) {
  observer_.OnStage(Stage::kMeasure, 0.02 + 0.98 * static_cast<double>(models_timed_++) /
                                                static_cast<double>(models_to_time_));
  absl::StatusOr<std::unique_ptr<TimedModel>> model =
      OpenTimed(WithWidths(model_, heads, neurons), runtime_,
                job_.directory / kScratchDirectory / "calibrate", onnxruntime_.get());
  if (!model.ok()) return model.status();
  Medians medians;
  for (TimedBatch& batch : batches_) {
    absl::StatusOr<Timing> timing = TimeBatch(**model, batch);
    if (!timing.ok()) return timing.status();
    medians.push_back(timing->median_ms);
    spread_ = std::max(spread_, timing->spread);
  }
  return medians;
}

absl::StatusOr<Timing> CalibrateJob::TimeBatch(TimedModel& model, TimedBatch& batch) {
  for (int warm_up = 0; warm_up < 2; ++warm_up) {
    if (absl::Status status = model.Run(batch); !status.ok()) return status;
  }
  std::vector<double> seconds;
  double all = 0;
  while (static_cast<int>(seconds.size()) < kFewestPasses ||
         (static_cast<int>(seconds.size()) < kMostPasses && all < seconds_a_batch_)) {
    if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
    absl::StatusOr<double> pass = model.SecondsOf(batch);
    if (!pass.ok()) return pass.status();
    seconds.push_back(*pass);
    all += *pass;
  }
  std::sort(seconds.begin(), seconds.end());
  const size_t tenth = seconds.size() / 10;
  return Timing{1e3 * seconds[seconds.size() / 2], seconds[seconds.size() - 1 - tenth] / seconds[tenth]};
}

absl::Status CalibrateJob::Publish() {
  const ModelConfig& config = model_.config;
  table_.runtime = RuntimeName(runtime_, onnxruntime_.get());
  table_.device_name = DeviceName(device_);
  table_.threads = at::get_num_threads();
  table_.batch_size = static_cast<int32_t>(job_.calibration.batch_size);
  table_.family = config.family->model_type;
  table_.num_layers = config.num_layers;
  table_.hidden_size = config.hidden_size;
  table_.head_dim = config.head_dim;
  if (spread_ > kUnsteady || change_of_pace_ > kUnsteadyPace) {
    observer_.OnWarning(
        absl::StrFormat("passes of one model took up to %.1f times as long as others here, so the table is "
                        "rough: leave the machine alone, or set fewer threads than it has processors",
                        std::max(spread_, change_of_pace_)));
  }
  absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job_.directory);
  if (!folder.ok()) return folder.status();
  if (absl::Status status = folder->WriteJson(kLatencyTableFile, ToJson(table_)); !status.ok()) return status;
  return folder->Publish();
}

}  // namespace

absl::Status RunCalibrate(const WorkerJob& job, ProgressObserver& observer) {
  return CalibrateJob(job, observer).Run();
}

}  // namespace kprune
