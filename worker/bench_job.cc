// RunBench: how fast models are where they are served: as TorchScript, in ONNX Runtime, and in this engine.
#include <ATen/Parallel.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
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
namespace fs = std::filesystem;

// One model, in every runtime.
struct BenchedModel {
  fs::path folder;
  ModelConfig config;
  std::vector<std::unique_ptr<TimedModel>> in;
};

// Of rising times.
json Spread(std::vector<double>& seconds, int64_t batch_size, double first_median) {
  std::sort(seconds.begin(), seconds.end());
  const auto at = [&](double share) {
    return seconds[static_cast<size_t>(share * static_cast<double>(seconds.size() - 1) + 0.5)];
  };
  return {{"median_ms", 1e3 * at(0.5)},
          {"p10_ms", 1e3 * at(0.1)},
          {"p90_ms", 1e3 * at(0.9)},
          {"sequences_per_second", static_cast<double>(batch_size) / at(0.5)},
          {"speedup", (first_median > 0 ? first_median : at(0.5)) / at(0.5)}};
}

class BenchJob {
 public:
  BenchJob(const WorkerJob& job, ProgressObserver& observer) : job_(job), observer_(observer) {}

  absl::Status Run() {
    for (absl::Status (BenchJob::*step)() : {&BenchJob::Load, &BenchJob::Measure, &BenchJob::Publish}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Load();
  absl::StatusOr<BenchedModel> LoadModel(const fs::path& folder);
  absl::Status ChooseLengths();
  absl::Status Measure();
  absl::Status MeasureOne(const LatencySetting& setting);
  absl::Status Publish();

  const WorkerJob& job_;
  ProgressObserver& observer_;
  at::Device device_ = at::kCPU;
  std::unique_ptr<OnnxRuntime> onnxruntime_;  // null: none
  std::vector<std::string> runtimes_;
  std::vector<BenchedModel> models_;
  std::vector<int64_t> lengths_;
  json rows_ = json::array();
};

absl::Status BenchJob::Load() {
  observer_.OnStage(Stage::kLoad, 0);
  absl::StatusOr<at::Device> device = ResolveDevice(job_.options.device);
  if (!device.ok()) return device.status();
  device_ = *device;
  auto onnxruntime = LoadConfiguredOnnxRuntime(job_.onnxruntime, job_.options);
  if (!onnxruntime.ok()) return onnxruntime.status();
  onnxruntime_ = *std::move(onnxruntime);
  runtimes_ = RuntimesWith(onnxruntime_.get());
  std::vector<fs::path> folders = {job_.model};
  folders.insert(folders.end(), job_.others.begin(), job_.others.end());
  for (const fs::path& folder : folders) {
    absl::StatusOr<BenchedModel> model = LoadModel(folder);
    if (!model.ok()) {
      return absl::Status(model.status().code(),
                          absl::StrCat(folder.string(), ": ", model.status().message()));
    }
    models_.push_back(*std::move(model));
  }
  return absl::OkStatus();
}

// Its exports are written anew, also where the folder has some: all models alike.
absl::StatusOr<BenchedModel> BenchJob::LoadModel(const fs::path& folder) {
  absl::StatusOr<Encoder> encoder = OpenEncoder(folder, job_.options, device_);
  if (!encoder.ok()) return encoder.status();
  BenchedModel model{folder, encoder->config, {}};
  for (const std::string& runtime : runtimes_) {
    auto timed =
        OpenTimed(*encoder, runtime, job_.directory / kScratchDirectory / "bench", onnxruntime_.get());
    if (!timed.ok()) return timed.status();
    model.in.push_back(*std::move(timed));
  }
  return model;
}

// Where models look at images, the tokens that they all make of one; else the job's lengths.
absl::Status BenchJob::ChooseLengths() {
  const auto& patches = models_[0].config.patches;
  for (const BenchedModel& model : models_) {
    const auto& others = model.config.patches;
    const bool alike =
        patches ? others && others->image == patches->image && others->tokens() == patches->tokens()
                : !others;
    if (alike) continue;
    return absl::InvalidArgumentError(absl::StrCat(model.folder.string(), " and ", models_[0].folder.string(),
                                                   " take different inputs; bench models of the same text or "
                                                   "images"));
  }
  lengths_ = job_.bench.lengths;
  if (lengths_.empty())
    lengths_ = patches ? std::vector<int64_t>{patches->tokens()} : std::vector<int64_t>{25, 50};
  if (!patches || lengths_ == std::vector<int64_t>{patches->tokens()}) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("lengths is given, but ", models_[0].folder.string(),
                                                 " makes ", patches->tokens(),
                                                 " tokens of every image; leave it out"));
}

absl::Status BenchJob::Measure() {
  if (absl::Status status = ChooseLengths(); !status.ok()) return status;
  for (const BenchedModel& model : models_) {
    for (const int64_t length : lengths_) {
      if (length > model.config.max_positions) {
        return absl::InvalidArgumentError(absl::StrCat("lengths has ", length, ", but ",
                                                       model.folder.string(), " takes at most ",
                                                       model.config.max_positions, " tokens"));
      }
    }
  }
  const auto all = static_cast<double>(job_.bench.batch_sizes.size() * lengths_.size());
  double done = 0;
  for (const int64_t batch_size : job_.bench.batch_sizes) {
    for (const int64_t length : lengths_) {
      observer_.OnStage(Stage::kMeasure, 0.1 + 0.9 * done++ / all);
      absl::Status status = MeasureOne({static_cast<int>(batch_size), length});
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

// All models and forms in turns, so that a noisy machine hurts all alike.
absl::Status BenchJob::MeasureOne(const LatencySetting& setting) {
  const auto narrowest = std::min_element(models_.begin(), models_.end(), [](const auto& a, const auto& b) {
    return a.config.vocab_size < b.config.vocab_size;
  });
  TimedBatch batch = MakeTimedBatch(setting, narrowest->config, device_);
  std::vector<std::vector<std::vector<double>>> seconds(runtimes_.size(),
                                                        std::vector<std::vector<double>>(models_.size()));
  constexpr int kWarmUp = 1;
  for (int64_t turn = -kWarmUp; turn < job_.bench.repeats; ++turn) {
    for (size_t runtime = 0; runtime < runtimes_.size(); ++runtime) {
      for (size_t i = 0; i < models_.size(); ++i) {
        if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
        TimedModel& model = *models_[i].in[runtime];
        // Threads of whatever ran before may still be spinning; after an untimed pass they are not.
        if (absl::Status status = model.Run(batch); !status.ok()) return status;
        const absl::StatusOr<double> time = model.SecondsOf(batch);
        if (!time.ok()) return time.status();
        if (turn >= 0) seconds[runtime][i].push_back(*time);
      }
    }
  }
  for (size_t runtime = 0; runtime < runtimes_.size(); ++runtime) {
    json timed = json::array();
    for (size_t i = 0; i < models_.size(); ++i) {
      const double first = i == 0 ? 0 : timed[0]["median_ms"].get<double>() / 1e3;
      timed.push_back(Spread(seconds[runtime][i], setting.batch_size, first));
    }
    rows_.push_back({{"runtime", RuntimeName(runtimes_[runtime], onnxruntime_.get())},
                     {"batch_size", setting.batch_size},
                     {"tokens", setting.tokens},
                     {"models", timed}});
  }
  return absl::OkStatus();
}

absl::Status BenchJob::Publish() {
  json folders = json::array();
  for (const BenchedModel& model : models_) folders.push_back(model.folder.string());
  absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job_.directory);
  if (!folder.ok()) return folder.status();
  const json result = {{"models", folders},
                       {"device_name", DeviceName(device_)},
                       {"threads", at::get_num_threads()},
                       {"repeats", job_.bench.repeats},
                       {"rows", rows_}};
  if (absl::Status status = folder->WriteJson(kBenchFile, result); !status.ok()) return status;
  return folder->Publish();
}

}  // namespace

absl::Status RunBench(const WorkerJob& job, ProgressObserver& observer) {
  return BenchJob(job, observer).Run();
}

}  // namespace kprune
