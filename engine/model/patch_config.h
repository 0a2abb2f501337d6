// How a model that looks at images makes tokens of them.
#ifndef KPRUNE_ENGINE_MODEL_PATCH_CONFIG_H_
#define KPRUNE_ENGINE_MODEL_PATCH_CONFIG_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "engine/data/image.h"
#include "engine/model/family.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Patches stand row by row, behind the class tokens.
struct PatchConfig {
  ImageShape image;
  int64_t patch_height = 0, patch_width = 0;
  int64_t class_tokens = 0;

  int64_t rows() const { return image.height / patch_height; }
  int64_t columns() const { return image.width / patch_width; }
  int64_t tokens() const { return class_tokens + rows() * columns(); }            // of every picture
  int64_t values() const { return image.channels * patch_height * patch_width; }  // of a patch
};

// Reads image_size, patch_size and num_channels of config.json. INVALID_ARGUMENT with one sentence that names
// the field.
absl::StatusOr<PatchConfig> ReadPatchConfig(const nlohmann::json& config, const PatchTensors& tensors);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_PATCH_CONFIG_H_
