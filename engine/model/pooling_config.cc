#include "engine/model/pooling_config.h"

#include <filesystem>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

using nlohmann::json;

absl::Status Refuse(std::string_view file, std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(std::string(file), ": ", std::string(what)));
}

absl::StatusOr<Pooling> ReadPoolingMode(const std::string& folder, const std::string& path) {
  const std::string name = path + "/config.json";
  if (!IsAllowedName(FileRole::kModel, name))
    return Refuse("modules.json", absl::StrCat("\"path\" is ", Quoted(path), "; accepted is like 1_Pooling"));
  absl::StatusOr<json> config = ReadJsonFile(folder + "/" + name);
  if (!config.ok()) return config.status();
  if (!config->is_object()) return Refuse(name, "is not an object");
  std::string mode;
  for (const auto& [key, value] : config->items()) {
    if (key.rfind("pooling_mode_", 0) != 0 || value != true) continue;
    if (!mode.empty())
      return Refuse(name, absl::StrCat("both ", Quoted(mode), " and ", Quoted(key),
                                       " are true; accepted is one pooling mode"));
    mode = key;
  }
  static const auto* const modes =
      new std::map<std::string, Pooling>{{"pooling_mode_mean_tokens", Pooling::kMean},
                                         {"pooling_mode_cls_token", Pooling::kCls},
                                         {"pooling_mode_lasttoken", Pooling::kLastToken},
                                         {"pooling_mode_max_tokens", Pooling::kMax},
                                         {"pooling_mode_mean_sqrt_len_tokens", Pooling::kMeanSqrtLen}};
  if (const auto found = modes->find(mode); found != modes->end()) return found->second;
  std::vector<std::string> accepted;
  for (const auto& [own, pooling] : *modes) accepted.push_back(own);
  return Refuse(name, absl::StrCat("the pooling mode is ", Quoted(mode), "; accepted are ",
                                   absl::StrJoin(accepted, ", ")));
}

// The length that sentence-transformers cuts texts to, which is often less than the position table.
absl::StatusOr<int> ReadMaxSequence(const std::string& folder) {
  const std::string file = "sentence_bert_config.json";
  if (!std::filesystem::exists(folder + "/" + file)) return 0;
  absl::StatusOr<json> config = ReadJsonFile(folder + "/" + file);
  if (!config.ok()) return config.status();
  JsonFields fields(*config, file);
  const int64_t length = fields.Int("max_seq_length", 0, 1, 1 << 20);
  if (!fields.status().ok()) return fields.status();
  return static_cast<int>(length);
}

}  // namespace

absl::StatusOr<ModulesConfig> ReadModules(const std::string& folder) {
  ModulesConfig result;
  const std::string file = folder + "/modules.json";
  if (!std::filesystem::exists(file)) return result;
  absl::StatusOr<json> modules = ReadJsonFile(file);
  if (!modules.ok()) return modules.status();
  if (!modules->is_array()) return Refuse("modules.json", "is not a list of modules");
  result.present = true;
  absl::StatusOr<int> max_sequence = ReadMaxSequence(folder);
  if (!max_sequence.ok()) return max_sequence.status();
  result.max_sequence = *max_sequence;
  for (const json& module : *modules) {
    if (!module.is_object()) return Refuse("modules.json", "has an entry that is not an object");
    const json type = module.value("type", json());
    const json path = module.value("path", json());
    if (!type.is_string() || !path.is_string())
      return Refuse("modules.json", "has an entry without the texts \"type\" and \"path\"");
    const std::string name = type.get<std::string>().substr(type.get<std::string>().rfind('.') + 1);
    if (name == "Pooling") {
      absl::StatusOr<Pooling> pooling = ReadPoolingMode(folder, path.get<std::string>());
      if (!pooling.ok()) return pooling.status();
      result.pooling = *pooling;
    } else if (name == "Normalize") {
      result.normalize = true;
    } else if (name != "Transformer") {
      return Refuse("modules.json", absl::StrCat("has a module of type ", Quoted(name),
                                                 "; accepted are Transformer, Pooling and Normalize"));
    }
  }
  return result;
}

}  // namespace kprune
