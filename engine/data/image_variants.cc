#include "engine/data/image_variants.h"

#include <algorithm>
#include <memory>
#include <random>
#include <tuple>
#include <utility>

namespace kprune {
namespace {

// Shares of the variants; and of a picture's sides.
constexpr double kCropped = 0.7, kMirrored = 0.3, kSpliced = 0.3;
constexpr double kSmallestCrop = 0.6, kSmallestSplice = 0.2, kLargestSplice = 0.5;

// A stretch of one axis.
struct Extent {
  double begin = 0, length = 0;
};

struct Recipe {
  Extent rows, columns;  // of the picture, which become all of the variant
  bool mirrored = false;
  // Of the other picture, if there is one, and of the variant.
  int64_t top = 0, left = 0, height = 0, width = 0;
};

// Between which two places of the original one of the variant is, and how far from the first.
struct Between {
  int64_t first = 0, second = 0;
  float share = 0;
};

std::vector<Between> PlacesOf(const Extent& extent, int64_t size, bool mirrored) {
  std::vector<Between> places(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    const double at =
        extent.begin + (static_cast<double>(i) + 0.5) * extent.length / static_cast<double>(size) - 0.5;
    const double inside = std::clamp(at, 0.0, static_cast<double>(size - 1));
    const auto first = static_cast<int64_t>(inside);
    places[static_cast<size_t>(mirrored ? size - 1 - i : i)] = {
        first, std::min(first + 1, size - 1), static_cast<float>(inside - static_cast<double>(first))};
  }
  return places;
}

class VariantImage final : public Image {
 public:
  VariantImage(std::shared_ptr<const Image> picture, std::shared_ptr<const Image> other, const Recipe& recipe)
      : Image(picture->shape()), picture_(std::move(picture)), other_(std::move(other)), recipe_(recipe) {}

  void Write(absl::Span<float> pixels) const override {
    std::vector<float> original(pixels.size());
    picture_->Write(absl::MakeSpan(original));
    Stretch(original, pixels);
    if (other_ == nullptr) return;
    other_->Write(absl::MakeSpan(original));
    for (int64_t channel = 0; channel < shape().channels; ++channel) {
      for (int64_t row = recipe_.top; row < recipe_.top + recipe_.height; ++row) {
        const int64_t at = (channel * shape().height + row) * shape().width + recipe_.left;
        std::copy_n(original.begin() + at, recipe_.width, pixels.begin() + at);
      }
    }
  }

  int64_t bytes() const override { return static_cast<int64_t>(sizeof(*this)); }

 private:
  void Stretch(const std::vector<float>& original, absl::Span<float> pixels) const {
    const int64_t height = shape().height, width = shape().width;
    const std::vector<Between> rows = PlacesOf(recipe_.rows, height, /*mirrored=*/false),
                               columns = PlacesOf(recipe_.columns, width, recipe_.mirrored);
    for (int64_t channel = 0; channel < shape().channels; ++channel) {
      const float* const plane = original.data() + channel * height * width;
      float* out = pixels.data() + channel * height * width;
      for (const Between& row : rows) {
        const float *const upper = plane + row.first * width, *const lower = plane + row.second * width;
        for (const Between& column : columns) {
          const auto along = [&](const float* line) {
            return line[column.first] + column.share * (line[column.second] - line[column.first]);
          };
          const float above = along(upper);
          *out++ = above + row.share * (along(lower) - above);
        }
      }
    }
  }

  const std::shared_ptr<const Image> picture_, other_;  // the second may be null
  const Recipe recipe_;
};

class RecipeMaker {
 public:
  explicit RecipeMaker(uint32_t seed) : random_(uint64_t{seed} + 2000) {}

  double Uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  size_t Below(size_t bound) { return static_cast<size_t>(Uniform() * static_cast<double>(bound)); }

  Recipe Next(const ImageShape& shape) {
    Recipe recipe{{0, static_cast<double>(shape.height)}, {0, static_cast<double>(shape.width)}};
    if (Uniform() < kCropped) {
      recipe.rows = Part(shape.height);
      recipe.columns = Part(shape.width);
    }
    recipe.mirrored = Uniform() < kMirrored;
    if (Uniform() < kSpliced) {
      std::tie(recipe.top, recipe.height) = Rectangle(shape.height);
      std::tie(recipe.left, recipe.width) = Rectangle(shape.width);
    }
    return recipe;
  }

 private:
  Extent Part(int64_t size) {
    const double length = static_cast<double>(size) * (kSmallestCrop + (1 - kSmallestCrop) * Uniform());
    return {(static_cast<double>(size) - length) * Uniform(), length};
  }

  std::pair<int64_t, int64_t> Rectangle(int64_t size) {
    const double share = kSmallestSplice + (kLargestSplice - kSmallestSplice) * Uniform();
    const auto length = std::max<int64_t>(1, static_cast<int64_t>(share * static_cast<double>(size)));
    return {static_cast<int64_t>(Below(static_cast<size_t>(size - length + 1))), length};
  }

  // Raw output of a fixed engine: the distributions of the standard library differ between its makers.
  std::mt19937_64 random_;
};

}  // namespace

std::vector<Sample> MakeImageVariants(absl::Span<const Sample> samples, int count, uint32_t seed) {
  RecipeMaker recipes(seed);
  std::vector<Sample> variants;
  for (int k = 0; k < count; ++k) {
    for (const Sample& sample : samples) {
      const Recipe recipe = recipes.Next(sample.image->shape());
      std::shared_ptr<const Image> other;
      if (recipe.height > 0) other = samples[recipes.Below(samples.size())].image;
      Sample& variant = variants.emplace_back();
      variant.image = std::make_shared<VariantImage>(sample.image, std::move(other), recipe);
      variant.image_tokens = sample.image_tokens;
    }
  }
  return variants;
}

}  // namespace kprune
