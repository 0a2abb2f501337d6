// A Hugging Face model folder: reading it into an Encoder, and writing a pruned one.
#ifndef KPRUNE_ENGINE_MODEL_MODEL_FOLDER_H_
#define KPRUNE_ENGINE_MODEL_MODEL_FOLDER_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/model/encoder.h"
#include "engine/model/model_config.h"
#include "kprune/tensor_source.h"

namespace kprune {

// An opened folder: its configuration and its weights, whose names, shapes and types were checked against
// each other; no weight was read yet.
struct ModelFolder {
  std::string path;
  ModelConfig config;
  std::unique_ptr<TensorSource> tensors;
  bool base_names = false;  // tensor names do not carry the family's prefix

  // The checkpoint's name of a base-model tensor.
  std::string Name(const std::string& base_name) const;
  // The checkpoint's name of a tensor of one layer, e.g. Layer(3, family.query) + ".weight"; layers of a
  // group share theirs.
  std::string Layer(int layer, const char* name) const;
};

// Errors: InvalidArgument or NotFound, one sentence that names the file, field or tensor.
absl::StatusOr<ModelFolder> OpenModelFolder(const std::string& path, const Options& options);

// Reads all weights as float32 on `device`. InvalidArgument names the first tensor that holds NaN or
// infinity.
absl::StatusOr<Encoder> LoadEncoder(const ModelFolder& folder, at::Device device);

// Writes the pruned `encoder` as a Hugging Face folder: `original`'s config.json with a "kprune" object and
// an "auto_map", modeling_kprune.py that it names, model.safetensors in the original's dtypes (tensors that
// pruning does not touch are copied byte for byte), and its tokenizer and pooling files. `destination` must
// exist and be empty.
absl::Status WriteModelFolder(const ModelFolder& original, const Encoder& encoder,
                              const std::string& destination);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_MODEL_FOLDER_H_
