// Pictures as bytes: decoding files, and what transformers' processors do to them with Pillow.
#ifndef KPRUNE_ENGINE_DATA_BITMAP_H_
#define KPRUNE_ENGINE_DATA_BITMAP_H_

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/data/image.h"
#include "engine/data/image_processor.h"

namespace kprune {

// A picture may have this many pixels, and this many on a side.
inline constexpr int64_t kMostBitmapPixels = 40'000'000;
inline constexpr int64_t kMostBitmapSide = 20'000;

// [height, width, channels], row by row.
struct Bitmap {
  int64_t height = 0, width = 0, channels = 0;
  std::vector<uint8_t> values;

  Bitmap() = default;
  Bitmap(int64_t height, int64_t width, int64_t channels)
      : height(height),
        width(width),
        channels(channels),
        values(static_cast<size_t>(height * width * channels)) {}

  uint8_t* row(int64_t y) { return values.data() + y * width * channels; }
  const uint8_t* row(int64_t y) const { return values.data() + y * width * channels; }
};

// Decodes a JPEG or PNG file, turned as its EXIF orientation says (JPEG), to 1 channel (grey) or 3 (red,
// green, blue) as Pillow's convert makes them; transparency is left out. `channels` is one of these.
// INVALID_ARGUMENT in one sentence, whatever the bytes are: another format, damaged, larger than the limits
// above, CMYK, 16-bit grey. Thread-safe.
absl::StatusOr<Bitmap> DecodeImage(std::string_view file, int64_t channels);

// The two kinds, for DecodeImage: as they are in the file.
absl::StatusOr<Bitmap> DecodeJpeg(std::string_view file);
absl::StatusOr<Bitmap> DecodePng(std::string_view file);

// As Pillow's Image.resize: each new pixel is a weighted mean, in fixed point, of those that the filter
// covers, along rows and then along columns.
// Source: Pillow's documentation of filters; held to Pillow's results by bitmap_test.
Bitmap Resized(const Bitmap& bitmap, const ImageSize& size, Resample resample);

// The middle; zeros around a picture that is smaller.
Bitmap CenterCropped(const Bitmap& bitmap, const ImageSize& size);

// `bitmap` as the processor makes it, of whatever size that is.
std::shared_ptr<const Image> MakeImage(const Bitmap& bitmap, const ImageProcessor& processor);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_BITMAP_H_
