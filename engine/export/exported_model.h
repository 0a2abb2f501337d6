// An exported form of a model, opened by what serves it and ready to run on the CPU.
#ifndef KPRUNE_ENGINE_EXPORT_EXPORTED_MODEL_H_
#define KPRUNE_ENGINE_EXPORT_EXPORTED_MODEL_H_

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/export/padded_batch.h"
#include "engine/formats/onnxruntime.h"
#include "engine/model/encoder.h"

namespace kprune {

// The names of its outputs, those of last_hidden_state left out.
std::vector<std::string> OutputNames(const ModelConfig& config);

// Not thread-safe.
class ExportedModel {
 public:
  virtual ~ExportedModel() = default;

  // Logits or sentence embeddings [N, C], float32; of token tasks [N, S, C], where start and end of an answer
  // are columns.
  virtual absl::StatusOr<at::Tensor> Run(PaddedBatch& batch) = 0;
};

// A file that WriteTorchScript wrote of `encoder`, in LibTorch with its present number of threads. DATA_LOSS:
// it cannot be read or, by Run, not run.
absl::StatusOr<std::unique_ptr<ExportedModel>> OpenTorchScript(const std::filesystem::path& path,
                                                               const Encoder& encoder);

// A file that WriteOnnx wrote of `encoder`, in `runtime`, which must outlive it, with as many threads as
// LibTorch has. Errors, also those of Run, are the runtime's.
absl::StatusOr<std::unique_ptr<ExportedModel>> OpenOnnx(const std::filesystem::path& path,
                                                        const Encoder& encoder, const OnnxRuntime& runtime);

// As RunSamples of the encoder that `config` describes, some samples at a time.
absl::StatusOr<at::Tensor> RunSamples(ExportedModel& model, const ModelConfig& config,
                                      absl::Span<const Sample> samples);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_EXPORTED_MODEL_H_
