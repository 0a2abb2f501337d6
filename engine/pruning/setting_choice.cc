#include "engine/pruning/setting_choice.h"

#include <cmath>
#include <limits>

#include "absl/status/status.h"

namespace kprune {

using Json = nlohmann::json;

Json ToJson(const SettingChoice& choice) {
  return {{"lambda_rep", choice.chosen.lambda_rep},
          {"mu", choice.chosen.mu},
          {"judged_by", choice.judged_by},
          {"samples", choice.samples},
          {"tried", ToJson(choice.tried)},
          {"measurements", choice.measurements},
          {"seconds", choice.seconds}};
}

Json ToJson(const std::vector<TriedSetting>& tried) {
  Json list = Json::array();
  for (const auto& [setting, loss] : tried) {
    list.push_back({{"lambda_rep", setting.lambda_rep},
                    {"mu", setting.mu},
                    {"loss", std::isfinite(loss) ? Json(loss) : Json()}});  // JSON has no infinity
  }
  return list;
}

absl::StatusOr<std::vector<TriedSetting>> ParseTriedSettings(const Json& json) {
  std::vector<TriedSetting> tried;
  try {
    for (const Json& entry : json) {
      const Json& loss = entry.at("loss");
      tried.push_back({{entry.at("lambda_rep").get<double>(), entry.at("mu").get<double>()},
                       loss.is_null() ? std::numeric_limits<double>::infinity() : loss.get<double>()});
    }
  } catch (const Json::exception&) {
    return absl::InvalidArgumentError("the settings of a checkpoint are not a list of tried settings");
  }
  return tried;
}

}  // namespace kprune
