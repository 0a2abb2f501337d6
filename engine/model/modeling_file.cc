#include "engine/model/modeling_file.h"

#include "absl/strings/str_cat.h"
#include "kprune/layout.h"

namespace kprune {

nlohmann::json AutoMap(const ModelConfig& config) {
  const auto of_file = [](const std::string& name) {
    const std::string_view module = kModelingFileName.substr(0, kModelingFileName.rfind('.'));
    return absl::StrCat(std::string(module), ".", name);
  };
  nlohmann::json map = {{"AutoModel", of_file(BaseClass(*config.family))}};
  if (const char* classes = config.names().classes) {
    map[absl::StrCat("AutoModelFor", classes)] =
        of_file(ClassForTask(*config.family, classes) + (config.with_teacher ? kWithTeacher : ""));
  }
  return map;
}

}  // namespace kprune
