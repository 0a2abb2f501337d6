// The Python file that lets Hugging Face transformers load a pruned folder: modeling_kprune.py, as it stands
// beside this header, compiled in.
#ifndef KPRUNE_ENGINE_MODEL_MODELING_FILE_H_
#define KPRUNE_ENGINE_MODEL_MODELING_FILE_H_

#include <string_view>

#include "engine/model/model_config.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Its bytes.
extern const std::string_view kModelingFile;

// config.json's "auto_map": which class of the file loads the model, for each auto class of transformers that
// suits its task.
nlohmann::json AutoMap(const ModelConfig& config);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_MODELING_FILE_H_
