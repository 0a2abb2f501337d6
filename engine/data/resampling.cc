// Resized, CenterCropped and MakeImage.
#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/data/bitmap.h"

namespace kprune {
namespace {

// Weights are whole multiples of 2^-22: 8 bits of a value and 2 of head room beside them fill 32.
constexpr int kFraction = 32 - 8 - 2;

double FilterRadius(Resample resample) { return resample == Resample::kBicubic ? 2 : 1; }

double FilterAt(Resample resample, double x) {
  x = std::abs(x);
  if (resample == Resample::kBilinear) return x < 1 ? 1 - x : 0;
  // Keys' cubic with a = -1/2.
  constexpr double a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// The pixels of a line that make one of the new line.
struct Window {
  int64_t first = 0;
  std::vector<int32_t> weights;
};

std::vector<Window> WindowsOf(int64_t from, int64_t to, Resample resample) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double stretch = std::max(scale, 1.0), radius = FilterRadius(resample) * stretch;
  std::vector<Window> windows(static_cast<size_t>(to));
  for (int64_t i = 0; i < to; ++i) {
    Window& window = windows[static_cast<size_t>(i)];
    const double center = (static_cast<double>(i) + 0.5) * scale;
    window.first = std::max<int64_t>(0, static_cast<int64_t>(center - radius + 0.5));
    const int64_t end = std::min(from, static_cast<int64_t>(center + radius + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (int64_t at = window.first; at < end; ++at) {
      weights.push_back(FilterAt(resample, (static_cast<double>(at) - center + 0.5) / stretch));
      sum += weights.back();
    }
    for (double weight : weights) {
      weight = (sum != 0 ? weight / sum : weight) * (1 << kFraction);
      window.weights.push_back(static_cast<int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5));
    }
  }
  return windows;
}

// The weighted sum of `count` values that stand `step` apart.
uint8_t Mean(const uint8_t* values, int64_t step, const Window& window) {
  int32_t sum = 1 << (kFraction - 1);
  for (size_t i = 0; i < window.weights.size(); ++i)
    sum += values[static_cast<int64_t>(i) * step] * window.weights[i];
  return static_cast<uint8_t>(std::clamp(sum >> kFraction, 0, 255));
}

Bitmap ResizedAlongRows(const Bitmap& bitmap, int64_t width, Resample resample) {
  const std::vector<Window> windows = WindowsOf(bitmap.width, width, resample);
  Bitmap result(bitmap.height, width, bitmap.channels);
  for (int64_t y = 0; y < bitmap.height; ++y) {
    uint8_t* out = result.row(y);
    for (const Window& window : windows) {
      const uint8_t* const first = bitmap.row(y) + window.first * bitmap.channels;
      for (int64_t channel = 0; channel < bitmap.channels; ++channel)
        *out++ = Mean(first + channel, bitmap.channels, window);
    }
  }
  return result;
}

Bitmap ResizedAlongColumns(const Bitmap& bitmap, int64_t height, Resample resample) {
  const std::vector<Window> windows = WindowsOf(bitmap.height, height, resample);
  Bitmap result(height, bitmap.width, bitmap.channels);
  const int64_t line = bitmap.width * bitmap.channels;
  for (int64_t y = 0; y < height; ++y) {
    const Window& window = windows[static_cast<size_t>(y)];
    for (int64_t x = 0; x < line; ++x) result.row(y)[x] = Mean(bitmap.row(window.first) + x, line, window);
  }
  return result;
}

}  // namespace

Bitmap Resized(const Bitmap& bitmap, const ImageSize& size, Resample resample) {
  const Bitmap wide = size.width == bitmap.width ? bitmap : ResizedAlongRows(bitmap, size.width, resample);
  return size.height == wide.height ? wide : ResizedAlongColumns(wide, size.height, resample);
}

Bitmap CenterCropped(const Bitmap& bitmap, const ImageSize& size) {
  // Where the first pixel of the new picture is in the old one, and below 0 outside it: rounded as
  // transformers rounds, which is down, and for a smaller picture up.
  const auto begin_of = [](int64_t from, int64_t to) {
    return from >= to ? (from - to) / 2 : -((to - from + 1) / 2);
  };
  const int64_t top = begin_of(bitmap.height, size.height), left = begin_of(bitmap.width, size.width);
  Bitmap result(size.height, size.width, bitmap.channels);
  for (int64_t y = std::max<int64_t>(0, -top); y < std::min(size.height, bitmap.height - top); ++y) {
    const int64_t from = std::max<int64_t>(0, -left), to = std::min(size.width, bitmap.width - left);
    std::copy_n(bitmap.row(y + top) + (from + left) * bitmap.channels, (to - from) * bitmap.channels,
                result.row(y) + from * bitmap.channels);
  }
  return result;
}

std::shared_ptr<const Image> MakeImage(const Bitmap& bitmap, const ImageProcessor& processor) {
  Bitmap made = processor.resize ? Resized(bitmap, *processor.resize, processor.resample) : bitmap;
  if (processor.center_crop) made = CenterCropped(made, *processor.center_crop);
  const ImageShape shape{made.channels, made.height, made.width};
  auto planes = std::make_shared<std::vector<uint8_t>>(made.values.size());
  for (int64_t channel = 0; channel < made.channels; ++channel) {
    for (int64_t at = 0; at < made.height * made.width; ++at)
      (*planes)[channel * made.height * made.width + at] = made.values[at * made.channels + channel];
  }
  const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(planes->data()), planes->size());
  return std::make_shared<StoredImage>(shape, DType::kU8, bytes, planes, processor.tables, /*mapped=*/false);
}

}  // namespace kprune
