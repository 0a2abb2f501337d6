// What preprocessor_config.json says of how pictures become pixel values.
//
// Source: ViTImageProcessor and DeiTImageProcessor of Hugging Face transformers, the ones that compute with
// Pillow; whatever the file leaves out is as these have it.
#ifndef KPRUNE_ENGINE_DATA_IMAGE_PROCESSOR_H_
#define KPRUNE_ENGINE_DATA_IMAGE_PROCESSOR_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/data/image.h"

namespace kprune {

// As Pillow numbers them.
enum class Resample { kBilinear = 2, kBicubic = 3 };

struct ImageSize {
  int64_t height = 0, width = 0;

  bool operator==(const ImageSize&) const = default;
};

struct ImageProcessor {
  std::optional<ImageSize> resize;  // nothing: pictures stay as they are
  Resample resample = Resample::kBilinear;
  std::optional<ImageSize> center_crop;
  double rescale_factor = 1;
  // Of each channel; empty: not normalised.
  std::vector<double> mean, deviation;
  std::shared_ptr<const PixelTables> tables;  // what the last three make: see TablesOf
};

// The pixel value of every byte, computed in the types that transformers computes in.
std::shared_ptr<const PixelTables> TablesOf(const ImageProcessor& processor, int64_t channels);

// Reads the file of a model's folder. NOT_FOUND: there is none. INVALID_ARGUMENT, with one sentence that
// names the field: another kind of processor, or values that make no pictures of `shape`.
absl::StatusOr<ImageProcessor> ReadImageProcessor(const std::filesystem::path& folder,
                                                  const ImageShape& shape);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_IMAGE_PROCESSOR_H_
