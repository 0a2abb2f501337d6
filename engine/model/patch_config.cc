#include "engine/model/patch_config.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/formats/json_fields.h"

namespace kprune {
namespace {

using nlohmann::json;

constexpr int64_t kMostPixels = 4096, kMostChannels = 64, kMostTokens = int64_t{1} << 20;

// Height and width: one number for both, or two.
absl::StatusOr<std::pair<int64_t, int64_t>> ReadSize(const json& config, const char* key, int64_t assumed) {
  const json found = config.value(key, json(assumed));
  const auto accepted = [](const json& value) {
    return value.is_number_integer() && value >= 1 && value <= kMostPixels;
  };
  if (accepted(found)) return std::pair(found.get<int64_t>(), found.get<int64_t>());
  if (found.is_array() && found.size() == 2 && accepted(found[0]) && accepted(found[1]))
    return std::pair(found[0].get<int64_t>(), found[1].get<int64_t>());
  return absl::InvalidArgumentError(absl::StrCat("config.json: \"", key, "\" is ", Described(found),
                                                 "; accepted are one or two integers from 1 to ",
                                                 kMostPixels));
}

}  // namespace

absl::StatusOr<PatchConfig> ReadPatchConfig(const json& config, const PatchTensors& tensors) {
  // What is missing is as ViTConfig has it.
  const auto image = ReadSize(config, "image_size", 224);
  if (!image.ok()) return image.status();
  const auto patch = ReadSize(config, "patch_size", 16);
  if (!patch.ok()) return patch.status();
  const json channels = config.value("num_channels", json(3));
  if (!channels.is_number_integer() || channels < 1 || channels > kMostChannels) {
    return absl::InvalidArgumentError(absl::StrCat("config.json: \"num_channels\" is ", Described(channels),
                                                   "; accepted is an integer from 1 to ", kMostChannels));
  }
  const PatchConfig patches{{channels.get<int64_t>(), image->first, image->second},
                            patch->first,
                            patch->second,
                            static_cast<int64_t>(tensors.class_tokens().size())};
  if (patches.image.height % patches.patch_height != 0 || patches.image.width % patches.patch_width != 0) {
    return absl::InvalidArgumentError(absl::StrCat("config.json: \"image_size\" (", image->first, " x ",
                                                   image->second, ") is not a multiple of \"patch_size\" (",
                                                   patch->first, " x ", patch->second, ")"));
  }
  if (patches.tokens() <= kMostTokens) return patches;
  return absl::InvalidArgumentError(absl::StrCat("config.json: \"image_size\" and \"patch_size\" make ",
                                                 patches.tokens(), " tokens; accepted are at most ",
                                                 kMostTokens));
}

}  // namespace kprune
