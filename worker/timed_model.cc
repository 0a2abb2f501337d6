#include "worker/timed_model.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/headeronly/version.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/export/exported_model.h"
#include "engine/export/exports.h"
#include "engine/export/onnx_export.h"
#include "engine/export/torchscript_export.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

class TimedEngine final : public TimedModel {
 public:
  explicit TimedEngine(Encoder encoder) : encoder_(std::move(encoder)) {}

  absl::Status Run(TimedBatch& batch) override {
    c10::NoGradGuard no_grad;
    encoder_.Run(batch.ragged).to(at::kCPU);  // the copy waits for a device
    return absl::OkStatus();
  }

 private:
  const Encoder encoder_;
};

class TimedExport final : public TimedModel {
 public:
  explicit TimedExport(std::unique_ptr<ExportedModel> model) : model_(std::move(model)) {}

  absl::Status Run(TimedBatch& batch) override { return model_->Run(batch.padded).status(); }

 private:
  const std::unique_ptr<ExportedModel> model_;
};

absl::StatusOr<std::unique_ptr<ExportedModel>> Export(const Encoder& encoder, const fs::path& folder,
                                                      const OnnxRuntime* onnxruntime) {
  const fs::path path = folder / (onnxruntime == nullptr ? kTorchScriptFile : kOnnxFile);
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("cannot create ", path.parent_path().string(), ": ", error.message()));
  }
  const absl::Status written =
      onnxruntime == nullptr ? WriteTorchScript(encoder, path) : WriteOnnx(encoder, path);
  if (!written.ok()) return written;
  return onnxruntime == nullptr ? OpenTorchScript(path, encoder) : OpenOnnx(path, encoder, *onnxruntime);
}

}  // namespace

TimedBatch MakeTimedBatch(const LatencySetting& setting, const ModelConfig& config, at::Device device) {
  const std::vector<Sample> samples = AnySamples(setting, config);
  return {MakeBatches(samples, kAnyNumber, "file", device)[0], PaddedBatch(samples)};
}

absl::StatusOr<double> TimedModel::SecondsOf(TimedBatch& batch) {
  const auto start = std::chrono::steady_clock::now();
  if (absl::Status status = Run(batch); !status.ok()) return status;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<std::string> RuntimesWith(const OnnxRuntime* onnxruntime) {
  std::vector<std::string> runtimes = {"kprune", "torchscript"};
  if (onnxruntime != nullptr) runtimes.emplace_back("onnxruntime");
  return runtimes;
}

std::string RuntimeName(const std::string& runtime, const OnnxRuntime* onnxruntime) {
  if (runtime == "kprune") return "kprune " KPRUNE_VERSION;
  if (runtime == "torchscript") return "TorchScript " TORCH_VERSION;
  return absl::StrCat("ONNX Runtime ", onnxruntime->version());
}

absl::StatusOr<std::unique_ptr<TimedModel>> OpenTimed(const Encoder& encoder, const std::string& runtime,
                                                      const fs::path& scratch,
                                                      const OnnxRuntime* onnxruntime) {
  if (runtime == "kprune") return std::make_unique<TimedEngine>(encoder);
  absl::StatusOr<std::unique_ptr<ExportedModel>> model =
      Export(encoder, scratch, runtime == "torchscript" ? nullptr : onnxruntime);
  std::error_code ignored;
  fs::remove_all(scratch, ignored);  // it is in memory
  if (!model.ok()) return model.status();
  return std::make_unique<TimedExport>(*std::move(model));
}

}  // namespace kprune
