// Pictures in lines of JSON.
#ifndef KPRUNE_ENGINE_DATA_PICTURE_LINES_H_
#define KPRUNE_ENGINE_DATA_PICTURE_LINES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/data/samples.h"
#include "nlohmann/json.hpp"

namespace kprune {

// A line with a picture may have this many bytes.
inline constexpr int64_t kMaxPictureLineBytes = int64_t{32} << 20;

// A JPEG or PNG file in base64, alone or as a "data:" address, as the model's processor makes it.
// INVALID_ARGUMENT in one sentence: no base64, no picture that DecodeImage takes, or no processor.
// Thread-safe: pure functions.
absl::StatusOr<Sample> ReadPicture(const std::string& base64, const ImageLimits& limits);

// A line with "image" and perhaps "label"; other keys are ignored. Errors have no place in front.
absl::StatusOr<std::vector<Sample>> ReadPictureLine(const nlohmann::json& json, const SampleLimits& limits);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_PICTURE_LINES_H_
