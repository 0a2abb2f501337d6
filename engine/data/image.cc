#include "engine/data/image.h"

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstring>

namespace kprune {
namespace {

// IEEE 754 binary16.
float FromHalf(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000U) << 16, exponent = (bits >> 10) & 0x1fU,
                 fraction = bits & 0x3ffU;
  if (exponent == 0) {
    const float small = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -small : small;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
}

float FromBrain(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// What is mapped from a file and was read counts as this process's memory until it is let go.
void LetGo(absl::Span<const std::byte> mapped) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(mapped.data()), end = begin + mapped.size();
  const uintptr_t first = (begin + page - 1) / page * page, last = end / page * page;
  // Neighbours' pages stay; without success they all do.
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace

StoredImage::StoredImage(const ImageShape& shape, DType dtype, absl::Span<const std::byte> values,
                         std::shared_ptr<const void> owner, std::shared_ptr<const PixelTables> tables,
                         bool mapped)
    : Image(shape),
      dtype_(dtype),
      values_(values),
      owner_(std::move(owner)),
      tables_(std::move(tables)),
      mapped_(mapped) {}

void StoredImage::Write(absl::Span<float> pixels) const {
  const auto count = static_cast<size_t>(shape().values());
  if (dtype_ == DType::kF32) {
    std::memcpy(pixels.data(), values_.data(), count * sizeof(float));
  } else if (dtype_ == DType::kU8) {
    const size_t plane = count / static_cast<size_t>(shape().channels);
    for (size_t i = 0; i < count; ++i)
      pixels[i] = (*tables_)[i / plane][std::to_integer<uint8_t>(values_[i])];
  } else {
    for (size_t i = 0; i < count; ++i) {
      uint16_t bits;
      std::memcpy(&bits, values_.data() + i * sizeof(bits), sizeof(bits));
      pixels[i] = dtype_ == DType::kF16 ? FromHalf(bits) : FromBrain(bits);
    }
  }
  if (mapped_) LetGo(values_);
}

std::shared_ptr<const Image> AnyImage(const ImageShape& shape, uint32_t number) {
  auto values = std::make_shared<std::vector<float>>(static_cast<size_t>(shape.values()));
  uint32_t state = number * 2654435761U + 1;
  for (float& value : *values) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<float>(state >> 8) * 0x1p-23F - 1;
  }
  const absl::Span<const float> span(*values);
  const absl::Span<const std::byte> bytes(reinterpret_cast<const std::byte*>(span.data()),
                                          span.size() * sizeof(float));
  return std::make_shared<StoredImage>(shape, DType::kF32, bytes, values, /*tables=*/nullptr,
                                       /*mapped=*/false);
}

}  // namespace kprune
