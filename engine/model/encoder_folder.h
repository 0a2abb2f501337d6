// What every written model folder has in common.
#ifndef KPRUNE_ENGINE_MODEL_ENCODER_FOLDER_H_
#define KPRUNE_ENGINE_MODEL_ENCODER_FOLDER_H_

#include <string>

#include "absl/status/status.h"
#include "engine/model/encoder.h"
#include "engine/model/model_folder.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Writes `config` as config.json, the sublayers of `encoder` in the types that `original` stores them in as
// model.safetensors, with every other tensor of `original` byte for byte, and its tokenizer and pooling
// files. `destination` must exist.
absl::Status WriteEncoderFolder(const ModelFolder& original, const Encoder& encoder,
                                const nlohmann::json& config, const std::string& destination);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_ENCODER_FOLDER_H_
