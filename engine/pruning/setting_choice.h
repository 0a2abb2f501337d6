// The setting of a method's weights that a run chose for itself, and what it was chosen from.
#ifndef KPRUNE_ENGINE_PRUNING_SETTING_CHOICE_H_
#define KPRUNE_ENGINE_PRUNING_SETTING_CHOICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Options::lambda_rep and Options::mu of method "kprune".
struct Setting {
  double lambda_rep = 0;
  double mu = 0;

  bool operator==(const Setting&) const = default;
};

struct TriedSetting {
  Setting setting;
  double loss = 0;  // infinite where the pruned model's outputs are not finite

  bool operator==(const TriedSetting&) const = default;
};

struct SettingChoice {
  Setting chosen;
  std::string judged_by;            // "kl" (nats) or "squared_error", a mean over the samples
  int64_t samples = 0;              // that judged
  std::vector<TriedSetting> tried;  // in this order
  int measurements = 0;             // of a sublayer's remaining model; settings share them
  double seconds = 0;               // that the choice took; both are of this process, not of one before
};

// {"lambda_rep", "mu", "judged_by", "samples", "tried", "measurements", "seconds"}, as in the report.
nlohmann::json ToJson(const SettingChoice& choice);

// [{"lambda_rep", "mu", "loss"}]; an infinite loss is null. Numbers come back bit for bit. INVALID_ARGUMENT
// for what ToJson does not write.
nlohmann::json ToJson(const std::vector<TriedSetting>& tried);
absl::StatusOr<std::vector<TriedSetting>> ParseTriedSettings(const nlohmann::json& json);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_SETTING_CHOICE_H_
