#include "engine/data/picture_lines.h"

#include <string_view>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/data/bitmap.h"
#include "engine/data/sample_files.h"
#include "engine/data/task_lines.h"
#include "engine/formats/json_fields.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// What stands behind "data:image/png;base64,", or all of it.
std::string_view Base64Of(std::string_view text) {
  if (text.substr(0, 5) != "data:") return text;
  const size_t comma = text.find(',');
  return comma == std::string_view::npos ? "" : text.substr(comma + 1);
}

}  // namespace

absl::StatusOr<Sample> ReadPicture(const std::string& base64, const ImageLimits& limits) {
  if (!limits.processor.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("what says how pictures become pixel values cannot be used (",
                     limits.processor.status().message(), "): give pixel_values as .safetensors"));
  }
  const std::string_view encoded = Base64Of(base64);
  std::string file;
  if (encoded.empty() || !absl::Base64Unescape({encoded.data(), encoded.size()}, &file))
    return absl::InvalidArgumentError("image is no base64, accepted is that of a JPEG or PNG file");
  const absl::StatusOr<Bitmap> bitmap = DecodeImage(file, limits.shape.channels);
  if (!bitmap.ok()) return bitmap.status();
  Sample sample;
  sample.image = MakeImage(*bitmap, **limits.processor);
  sample.image_tokens = limits.tokens;
  // A processor that does not resize takes pictures of the right size alone.
  if (const ImageShape& shape = sample.image->shape(); shape != limits.shape) {
    return absl::InvalidArgumentError(absl::StrCat(
        "image has ", shape.height, " x ", shape.width, " pixels, accepted are ", limits.shape.height, " x ",
        limits.shape.width, ": preprocessor_config.json resizes none"));
  }
  return sample;
}

absl::StatusOr<std::vector<Sample>> ReadPictureLine(const Json& json, const SampleLimits& limits) {
  if (!json.is_object())
    return RefuseLine(absl::StrCat("the line is ", Described(json), ", accepted is an object"));
  const auto image = json.find("image");
  if (image == json.end() || !image->is_string())
    return RefuseLine("there is no \"image\", accepted is the base64 of a JPEG or PNG file");
  absl::StatusOr<Sample> sample = ReadPicture(image->get_ref<const std::string&>(), *limits.images);
  if (!sample.ok()) return sample.status();
  const auto label = json.find("label");
  if (label != json.end() && !label->is_null()) {
    absl::StatusOr<std::vector<double>> labels = ReadLabel(*label, limits);
    if (!labels.ok()) return labels.status();
    sample->labels = *std::move(labels);
  }
  return std::vector<Sample>{*std::move(sample)};
}

}  // namespace kprune
