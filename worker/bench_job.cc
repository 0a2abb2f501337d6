// RunBench: how fast models are where they are served: as TorchScript, in ONNX Runtime, and in this engine.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cost/latency.h"
#include "engine/export/exported_model.h"
#include "engine/export/exports.h"
#include "engine/export/onnx_export.h"
#include "engine/export/torchscript_export.h"
#include "kprune/worker_protocol.h"
#include "worker/configured_onnxruntime.h"
#include "worker/devices.h"
#include "worker/inputs.h"
#include "worker/jobs.h"
#include "worker/result_folder.h"

namespace kprune {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// One model, in every form that is timed.
struct TimedModel {
  fs::path folder;
  Encoder encoder;
  std::vector<std::unique_ptr<ExportedModel>> exported;  // by runtime
};

// The same sequences for every form.
struct TimedBatch {
  Batch ragged;
  PaddedBatch padded;
};

// One pass of one form of a model: of the engine, or of the export that `form` - 1 counts.
absl::Status RunPass(const TimedModel& model, size_t form, TimedBatch& batch) {
  if (form > 0) return model.exported[form - 1]->Run(batch.padded).status();
  c10::NoGradGuard no_grad;
  model.encoder.Run(batch.ragged).to(at::kCPU);  // the copy waits for a device
  return absl::OkStatus();
}

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
  absl::StatusOr<TimedModel> LoadModel(const fs::path& folder, at::Device device);
  absl::Status Measure();
  absl::Status MeasureOne(const LatencySetting& setting);
  absl::Status Publish();

  const WorkerJob& job_;
  ProgressObserver& observer_;
  std::unique_ptr<OnnxRuntime> onnxruntime_;  // null: none
  std::vector<TimedModel> models_;
  std::vector<std::string> forms_;  // what runs them: the engine, then the exports of every model
  json rows_ = json::array();
};

absl::Status BenchJob::Load() {
  observer_.OnStage(Stage::kLoad, 0);
  absl::StatusOr<at::Device> device = ResolveDevice(job_.options.device);
  if (!device.ok()) return device.status();
  auto onnxruntime = LoadConfiguredOnnxRuntime(job_.onnxruntime, job_.options);
  if (!onnxruntime.ok()) return onnxruntime.status();
  onnxruntime_ = *std::move(onnxruntime);
  std::vector<fs::path> folders = {job_.model};
  folders.insert(folders.end(), job_.others.begin(), job_.others.end());
  for (const fs::path& folder : folders) {
    absl::StatusOr<TimedModel> model = LoadModel(folder, *device);
    if (!model.ok()) {
      return absl::Status(model.status().code(),
                          absl::StrCat(folder.string(), ": ", model.status().message()));
    }
    models_.push_back(*std::move(model));
  }
  forms_ = {"kprune " KPRUNE_VERSION, "TorchScript"};
  if (onnxruntime_ != nullptr) forms_.push_back(absl::StrCat("ONNX Runtime ", onnxruntime_->version()));
  return absl::OkStatus();
}

// Its exports are written anew, also where the folder has some: all models alike.
absl::StatusOr<TimedModel> BenchJob::LoadModel(const fs::path& folder, at::Device device) {
  absl::StatusOr<ModelInputs> inputs = OpenModel(folder, job_.options);
  if (!inputs.ok()) return inputs.status();
  absl::StatusOr<Encoder> encoder = LoadEncoder(inputs->folder, device);
  if (!encoder.ok()) return encoder.status();
  const fs::path scratch = job_.directory / kScratchDirectory / absl::StrCat("bench-", models_.size());
  std::error_code error;
  fs::create_directories(scratch / "onnx", error);
  if (error)
    return absl::InternalError(absl::StrCat("cannot create ", scratch.string(), ": ", error.message()));
  TimedModel model{folder, *std::move(encoder), {}};
  if (absl::Status status = WriteTorchScript(model.encoder, scratch / kTorchScriptFile); !status.ok())
    return status;
  auto torchscript = OpenTorchScript(scratch / kTorchScriptFile, model.encoder);
  if (!torchscript.ok()) return torchscript.status();
  model.exported.push_back(*std::move(torchscript));
  if (onnxruntime_ != nullptr) {
    if (absl::Status status = WriteOnnx(model.encoder, scratch / kOnnxFile); !status.ok()) return status;
    auto onnx = OpenOnnx(scratch / kOnnxFile, model.encoder, *onnxruntime_);
    if (!onnx.ok()) return onnx.status();
    model.exported.push_back(*std::move(onnx));
  }
  fs::remove_all(scratch, error);  // both are in memory
  return model;
}

absl::Status BenchJob::Measure() {
  for (const TimedModel& model : models_) {
    for (const int64_t length : job_.bench.lengths) {
      if (length > model.encoder.config.max_positions) {
        return absl::InvalidArgumentError(absl::StrCat("lengths has ", length, ", but ",
                                                       model.folder.string(), " takes at most ",
                                                       model.encoder.config.max_positions, " tokens"));
      }
    }
  }
  const auto all = static_cast<double>(job_.bench.batch_sizes.size() * job_.bench.lengths.size());
  double done = 0;
  for (const int64_t batch_size : job_.bench.batch_sizes) {
    for (const int64_t length : job_.bench.lengths) {
      observer_.OnStage(Stage::kMeasure, 0.1 + 0.9 * done++ / all);
      absl::Status status = MeasureOne({static_cast<int>(batch_size), length});
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

// All models and forms in turns, so that a noisy machine hurts all alike.
absl::Status BenchJob::MeasureOne(const LatencySetting& setting) {
  int vocab_size = models_[0].encoder.config.vocab_size;
  for (const TimedModel& model : models_) vocab_size = std::min(vocab_size, model.encoder.config.vocab_size);
  const std::vector<Sample> samples = AnySamples(setting, vocab_size);
  const at::Device device = models_[0].encoder.word_embeddings.device();
  TimedBatch batch{MakeBatches(samples, kAnyNumber, "file", device)[0], PaddedBatch(samples)};
  std::vector<std::vector<std::vector<double>>> seconds(forms_.size(),
                                                        std::vector<std::vector<double>>(models_.size()));
  constexpr int kWarmUp = 1;
  for (int64_t turn = -kWarmUp; turn < job_.bench.repeats; ++turn) {
    for (size_t form = 0; form < forms_.size(); ++form) {
      for (size_t i = 0; i < models_.size(); ++i) {
        if (observer_.cancelled()) return absl::CancelledError("the job was cancelled");
        // Threads of whatever ran before may still be spinning; after an untimed pass they are not.
        if (absl::Status status = RunPass(models_[i], form, batch); !status.ok()) return status;
        const auto start = std::chrono::steady_clock::now();
        if (absl::Status status = RunPass(models_[i], form, batch); !status.ok()) return status;
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
        if (turn >= 0) seconds[form][i].push_back(time.count());
      }
    }
  }
  for (size_t form = 0; form < forms_.size(); ++form) {
    json timed = json::array();
    for (size_t i = 0; i < models_.size(); ++i) {
      const double first = i == 0 ? 0 : timed[0]["median_ms"].get<double>() / 1e3;
      timed.push_back(Spread(seconds[form][i], setting.batch_size, first));
    }
    rows_.push_back({{"runtime", forms_[form]},
                     {"batch_size", setting.batch_size},
                     {"tokens", setting.tokens},
                     {"models", timed}});
  }
  return absl::OkStatus();
}

absl::Status BenchJob::Publish() {
  json folders = json::array();
  for (const TimedModel& model : models_) folders.push_back(model.folder.string());
  absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job_.directory);
  if (!folder.ok()) return folder.status();
  const json result = {{"models", folders},
                       {"device_name", DeviceName(models_[0].encoder.word_embeddings.device())},
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
