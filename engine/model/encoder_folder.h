// What every written model folder has in common.
#ifndef KPRUNE_ENGINE_MODEL_ENCODER_FOLDER_H_
#define KPRUNE_ENGINE_MODEL_ENCODER_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "engine/model/encoder.h"
#include "engine/model/model_folder.h"
#include "nlohmann/json.hpp"

namespace kprune {

// What config.json says of a written model: that its projections have biases, where the family lets it say
// so, and that no layers share their weights.
nlohmann::json WrittenConfig(const ModelConfig& config);
// Whether it cannot say that there are biases: then it takes classes of our own to load them.
bool NeedsBiases(const ModelConfig& config);

// Writes `config` as config.json, the sublayers of `encoder` in the types that `original` stores them in as
// model.safetensors, with every other tensor of `original` byte for byte, and its tokenizer and pooling
// files. `destination` must exist.
absl::Status WriteEncoderFolder(const ModelFolder& original, const Encoder& encoder,
                                const nlohmann::json& config, const std::string& destination);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_ENCODER_FOLDER_H_
