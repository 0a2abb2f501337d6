// A TorchScript module that WriteTorchScript wrote, ready to run on the CPU.
#ifndef KPRUNE_ENGINE_EXPORT_TORCHSCRIPT_MODEL_H_
#define KPRUNE_ENGINE_EXPORT_TORCHSCRIPT_MODEL_H_

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "engine/export/padded_batch.h"

namespace kprune {

class TorchScriptModel {
 public:
  virtual ~TorchScriptModel() = default;

  // `token_types` says whether it takes them. DATA_LOSS: the file cannot be read.
  static absl::StatusOr<std::unique_ptr<TorchScriptModel>> Load(const std::filesystem::path& path,
                                                                bool token_types);

  // Logits or sentence embeddings [N, C]. DATA_LOSS: it cannot be run. Not thread-safe.
  virtual absl::StatusOr<at::Tensor> Run(PaddedBatch& batch) = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_TORCHSCRIPT_MODEL_H_
