#include "engine/data/image_processor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

constexpr char kFile[] = "preprocessor_config.json";
constexpr int64_t kMostPixels = 4096;

bool IsSide(const Json& value) { return value.is_number_integer() && value >= 1 && value <= kMostPixels; }

// {"height": h, "width": w}, or one number for both.
ImageSize ReadSize(JsonFields& fields, const char* key, int64_t assumed) {
  const Json* const size = fields.Find(key);
  if (size == nullptr) return {assumed, assumed};
  if (IsSide(*size)) return {size->get<int64_t>(), size->get<int64_t>()};
  if (size->is_object() && size->size() == 2 && IsSide(size->value("height", Json())) &&
      IsSide(size->value("width", Json())))
    return {(*size)["height"].get<int64_t>(), (*size)["width"].get<int64_t>()};
  fields.Refuse(
      key, absl::StrCat("is ", Described(*size),
                        "; accepted are a number, or \"height\" and \"width\", from 1 to ", kMostPixels));
  return {assumed, assumed};
}

// A number for all channels, or one for each.
std::vector<double> ReadChannels(JsonFields& fields, const char* key, int64_t channels, bool positive) {
  std::vector<double> values(static_cast<size_t>(channels), 0.5);
  const Json* const found = fields.Find(key);
  if (found == nullptr) return values;
  const auto accepted = [&](const Json& value) {
    return value.is_number() && std::isfinite(value.get<double>()) && (!positive || value > 0);
  };
  const bool each = found->is_array() && static_cast<int64_t>(found->size()) == channels;
  for (size_t channel = 0; channel < values.size(); ++channel) {
    const Json& value = each ? (*found)[channel] : *found;
    if (!accepted(value)) {
      fields.Refuse(
          key, absl::StrCat("is ", Described(*found), "; accepted are ", channels,
                            positive ? " numbers above 0, or one" : " numbers, or one", " for all channels"));
      break;
    }
    values[channel] = value.get<double>();
  }
  return values;
}

// The kind that the file is of: "DeiT", or "ViT".
bool IsDeit(JsonFields& fields) {
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    const std::string type = fields.String(key, "");
    if (type.empty()) continue;
    if (type.rfind("DeiT", 0) == 0) return true;
    if (type.rfind("ViTImage", 0) == 0 || type.rfind("ViTFeature", 0) == 0) return false;
    fields.Refuse(
        key, absl::StrCat("is ", Quoted(type), "; accepted are ViTImageProcessor and DeiTImageProcessor"));
  }
  return false;
}

}  // namespace

std::shared_ptr<const PixelTables> TablesOf(const ImageProcessor& processor, int64_t channels) {
  auto tables = std::make_shared<PixelTables>(static_cast<size_t>(channels));
  for (size_t channel = 0; channel < tables->size(); ++channel) {
    for (int byte = 0; byte < 256; ++byte) {
      auto value = static_cast<float>(byte * processor.rescale_factor);
      if (!processor.mean.empty())
        value = (value - static_cast<float>(processor.mean[channel])) /
                static_cast<float>(processor.deviation[channel]);
      (*tables)[channel][static_cast<size_t>(byte)] = value;
    }
  }
  return tables;
}

absl::StatusOr<ImageProcessor> ReadImageProcessor(const std::filesystem::path& folder,
                                                  const ImageShape& shape) {
  const absl::StatusOr<Json> json = ReadJsonFile(folder / kFile);
  if (!json.ok()) return json.status();
  JsonFields fields(*json, kFile);
  if (!fields.status().ok()) return fields.status();
  ImageProcessor processor;
  const bool deit = IsDeit(fields);
  ImageSize size{shape.height, shape.width};
  if (fields.Bool("do_resize", true)) {
    processor.resize = ReadSize(fields, "size", deit ? 256 : 224);
    processor.resample = static_cast<Resample>(
        fields.Int("resample", static_cast<int64_t>(deit ? Resample::kBicubic : Resample::kBilinear), 2, 3));
    size = *processor.resize;
  }
  if (fields.Bool("do_center_crop", deit)) {
    processor.center_crop = ReadSize(fields, "crop_size", 224);
    size = *processor.center_crop;
  }
  if (fields.Bool("do_rescale", true)) {
    processor.rescale_factor = 1.0 / 255;
    if (const Json* const factor = fields.Find("rescale_factor"); factor != nullptr) {
      if (factor->is_number() && std::isfinite(factor->get<double>()))
        processor.rescale_factor = factor->get<double>();
      else
        fields.Refuse("rescale_factor", absl::StrCat("is ", Described(*factor), "; accepted is a number"));
    }
  }
  if (fields.Bool("do_normalize", true)) {
    processor.mean = ReadChannels(fields, "image_mean", shape.channels, /*positive=*/false);
    processor.deviation = ReadChannels(fields, "image_std", shape.channels, /*positive=*/true);
  }
  if (!fields.status().ok()) return fields.status();
  processor.tables = TablesOf(processor, shape.channels);
  for (const std::array<float, 256>& table : *processor.tables) {
    if (std::all_of(table.begin(), table.end(), [](float value) { return std::isfinite(value); })) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        kFile, ": rescale_factor, image_mean and image_std make pixel values that are too large"));
  }
  if (size == ImageSize{shape.height, shape.width}) return processor;
  return absl::InvalidArgumentError(absl::StrCat(kFile, " makes pictures of ", size.height, " x ", size.width,
                                                 ", but config.json's image_size is ", shape.height, " x ",
                                                 shape.width));
}

}  // namespace kprune
