#include "engine/model/modeling_file.h"

#include "absl/strings/str_cat.h"
#include "kprune/layout.h"

namespace kprune {

nlohmann::json AutoMap(const ModelConfig& config) {
  const auto of_file = [](const char* name) {
    const std::string_view module = kModelingFileName.substr(0, kModelingFileName.rfind('.'));
    return absl::StrCat(std::string(module), ".", name);
  };
  nlohmann::json map = {{"AutoModel", of_file(config.family->base_class)}};
  if (config.task != Task::kEmbedding)
    map["AutoModelForSequenceClassification"] = of_file(config.family->classifier_class);
  return map;
}

}  // namespace kprune
