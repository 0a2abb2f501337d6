// A model in one of the runtimes that people serve it in, ready to be timed.
#ifndef KPRUNE_WORKER_TIMED_MODEL_H_
#define KPRUNE_WORKER_TIMED_MODEL_H_

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cost/latency.h"
#include "engine/export/padded_batch.h"
#include "engine/formats/onnxruntime.h"
#include "engine/model/encoder.h"

namespace kprune {

// The same sequences for every runtime.
struct TimedBatch {
  Batch ragged;
  PaddedBatch padded;
};

// Any inputs that the model takes; `device` is where engines run.
TimedBatch MakeTimedBatch(const LatencySetting& setting, const ModelConfig& config, at::Device device);

// Not thread-safe.
class TimedModel {
 public:
  virtual ~TimedModel() = default;

  // One forward pass, complete when it returns.
  virtual absl::Status Run(TimedBatch& batch) = 0;

  // How long one took.
  absl::StatusOr<double> SecondsOf(TimedBatch& batch);
};

// The runtimes that there are, of kRuntimes: ONNX Runtime where `onnxruntime` is not null.
std::vector<std::string> RuntimesWith(const OnnxRuntime* onnxruntime);

// "kprune 0.1.0", "TorchScript 2.11.0", "ONNX Runtime 1.20.1".
std::string RuntimeName(const std::string& runtime, const OnnxRuntime* onnxruntime);

// `encoder` in `runtime`, one of RuntimesWith(onnxruntime): exports are written into `scratch`, which is
// created and removed again. "kprune" runs on the encoder's device, the others on the CPU with LibTorch's
// number of threads. Must not outlive `onnxruntime`. INTERNAL: the folder cannot be written; or as the
// exports say.
absl::StatusOr<std::unique_ptr<TimedModel>> OpenTimed(const Encoder& encoder, const std::string& runtime,
                                                      const std::filesystem::path& scratch,
                                                      const OnnxRuntime* onnxruntime);

}  // namespace kprune

#endif  // KPRUNE_WORKER_TIMED_MODEL_H_
