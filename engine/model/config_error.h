// How what config.json says is refused.
#ifndef KPRUNE_ENGINE_MODEL_CONFIG_ERROR_H_
#define KPRUNE_ENGINE_MODEL_CONFIG_ERROR_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace kprune {

// INVALID_ARGUMENT "config.json: what".
inline absl::Status ConfigError(std::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("config.json: ", std::string(what)));
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_CONFIG_ERROR_H_
