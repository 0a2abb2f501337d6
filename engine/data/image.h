// Pictures, as models of images take them.
#ifndef KPRUNE_ENGINE_DATA_IMAGE_H_
#define KPRUNE_ENGINE_DATA_IMAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "kprune/tensor_source.h"

namespace kprune {

struct ImageShape {
  int64_t channels = 0, height = 0, width = 0;

  int64_t values() const { return channels * height * width; }
  bool operator==(const ImageShape&) const = default;
};

// A picture of the size that the model looks at. Immutable, so thread-safe; samples share it.
class Image {
 public:
  explicit Image(const ImageShape& shape) : shape_(shape) {}
  virtual ~Image() = default;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  const ImageShape& shape() const { return shape_; }

  // Writes all pixel values, scaled and normalised: [channels, height, width], row by row.
  virtual void Write(absl::Span<float> pixels) const = 0;

  // Memory that it holds by itself.
  virtual int64_t bytes() const = 0;

 private:
  const ImageShape shape_;
};

// The pixel value of every byte, one table a channel.
using PixelTables = std::vector<std::array<float, 256>>;

// A picture's values as they are stored, [channels, height, width] row by row: F32, F16 or BF16 pixel values,
// or U8, which `tables` turns into these. They are in memory that `owner` holds, such as a mapped file, whose
// pages are let go once they have been read.
class StoredImage final : public Image {
 public:
  StoredImage(const ImageShape& shape, DType dtype, absl::Span<const std::byte> values,
              std::shared_ptr<const void> owner, std::shared_ptr<const PixelTables> tables, bool mapped);

  void Write(absl::Span<float> pixels) const override;
  int64_t bytes() const override { return mapped_ ? 0 : static_cast<int64_t>(values_.size()); }

 private:
  const DType dtype_;
  const absl::Span<const std::byte> values_;
  const std::shared_ptr<const void> owner_;
  const std::shared_ptr<const PixelTables> tables_;  // null: no U8
  const bool mapped_;
};

// A picture of pixel values from -1 to 1, for measurements: which one does not matter, but it is the same for
// the same `number`.
std::shared_ptr<const Image> AnyImage(const ImageShape& shape, uint32_t number);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_IMAGE_H_
