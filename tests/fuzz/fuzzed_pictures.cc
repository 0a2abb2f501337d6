#include "tests/fuzz/fuzzed_pictures.h"

#include <cmath>
#include <fstream>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "engine/data/image_processor.h"
#include "engine/data/picture_lines.h"
#include "engine/data/samples.h"
#include "tests/fuzz/promises.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

// Small: what is decoded counts, not what is looked at.
constexpr ImageShape kShape = {3, 4, 6}, kGrey = {1, 4, 6};

ImageLimits LimitsOf(const ImageShape& shape) {
  ImageProcessor processor;
  processor.resize = ImageSize{shape.height, shape.width};
  processor.rescale_factor = 1.0 / 255;
  processor.tables = TablesOf(processor, shape.channels);
  return {shape, 1, std::make_shared<const ImageProcessor>(std::move(processor))};
}

void RequirePicture(const Sample& sample, const ImageShape& shape) {
  Require(sample.image != nullptr && sample.image->shape() == shape, "pictures have the model's size");
  std::vector<float> pixels(static_cast<size_t>(shape.values()));
  sample.image->Write(absl::MakeSpan(pixels));
  for (const float pixel : pixels) Require(std::isfinite(pixel), "pixels are finite");
}

void DecodePicture(std::string_view bytes) {
  const std::string base64 = absl::Base64Escape({bytes.data(), bytes.size()});
  for (const ImageShape& shape : {kShape, kGrey}) {
    const absl::StatusOr<Sample> sample = ReadPicture(base64, LimitsOf(shape));
    sample.ok() ? RequirePicture(*sample, shape) : RequireRefusal(sample.status());
  }
}

void ReadLines(const fs::path& path) {
  SampleLimits limits;
  limits.label_kind = LabelKind::kClass;
  limits.num_labels = 3;
  limits.max_positions = 1;
  limits.threads = 1;
  limits.images = LimitsOf(kShape);
  const absl::StatusOr<SampleSet> set = ReadSamples({path}, nullptr, limits);
  if (!set.ok()) return RequireRefusal(set.status());
  for (const Sample& sample : set->samples) RequirePicture(sample, kShape);
}

void ReadProcessor(const fs::path& folder) {
  const absl::StatusOr<ImageProcessor> processor = ReadImageProcessor(folder, kShape);
  if (!processor.ok()) return RequireRefusal(processor.status());
  Require(processor->tables != nullptr && processor->tables->size() == 3, "every channel has a table");
}

}  // namespace

void ReadAsPicture(const std::string& name, const uint8_t* bytes, size_t size) {
  static const TempDirectory folder;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (name == "picture.jpeg" || name == "picture.png") return DecodePicture(text);
  std::ofstream(folder / name, std::ios::binary)
      .write(text.data(), static_cast<std::streamsize>(text.size()));
  name == "pictures.jsonl" ? ReadLines(folder / name) : ReadProcessor(folder.path());
}

}  // namespace kprune
