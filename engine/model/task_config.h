// Which task a model folder is for.
#ifndef KPRUNE_ENGINE_MODEL_TASK_CONFIG_H_
#define KPRUNE_ENGINE_MODEL_TASK_CONFIG_H_

#include <string>

#include "absl/status/status.h"
#include "engine/model/model_config.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Sets the task and num_labels of `model`, whose family, sizes and labels have been read: the `requested`
// one, or for "auto" what config.json's "architectures" and the presence of modules.json imply.
// InvalidArgument with one sentence where they imply none, or the family has no such models.
absl::Status SettleTask(const nlohmann::json& config, const std::string& requested, bool has_modules,
                        ModelConfig& model);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_TASK_CONFIG_H_
