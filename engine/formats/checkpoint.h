// The weights of a Hugging Face model folder.
#ifndef KPRUNE_ENGINE_FORMATS_CHECKPOINT_H_
#define KPRUNE_ENGINE_FORMATS_CHECKPOINT_H_

#include <filesystem>
#include <memory>

#include "absl/status/statusor.h"
#include "kprune/tensor_source.h"

namespace kprune {

// Opens model.safetensors or, where there is none, model.safetensors.index.json and its shards. tensors() is
// in the order of the file, or of the shards by name and then of each shard. INVALID_ARGUMENT: only .bin,
// .pt, .gguf or pickle files ("safetensors only"); an index whose weight_map names a file that is not a plain
// model*.safetensors name, or a tensor that its shard does not hold; a tensor in a shard that the index does
// not give to that shard; everything that OpenSafetensors refuses. NOT_FOUND: no folder, no weights, or a
// missing shard.
absl::StatusOr<std::unique_ptr<TensorSource>> OpenCheckpoint(const std::filesystem::path& folder);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_CHECKPOINT_H_
