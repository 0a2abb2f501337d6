// Sums of products of columns in float64. For vector_kernels.cc alone.
#ifndef KPRUNE_ENGINE_KERNELS_DOUBLE_GRAM_H_
#define KPRUNE_ENGINE_KERNELS_DOUBLE_GRAM_H_

#include "engine/kernels/vector_types.h"

namespace {

constexpr int64_t kDoubles = kLanes / 2;
constexpr int64_t kGramColumns = 2 * kDoubles;  // of a packed panel

typedef double DoubleVec __attribute__((vector_size(KPRUNE_LANES * 4)));
typedef DoubleVec UnalignedDoubleVec __attribute__((aligned(8), may_alias));

inline double ToDouble(double x) { return x; }
inline double ToDouble(float x) { return x; }
inline double ToDouble(BFloat16 x) { return ToFloat(x); }

// packed [rows, kGramColumns]: columns panel * kGramColumns .. of z, every row times its scale unless that is
// null, zeros beyond the last.
template <typename E>
void PackGram(int64_t rows, int64_t columns, int64_t panel, const void* elements, int64_t stride,
              const double* scale, double* packed) {
  const int64_t first = panel * kGramColumns, left = columns - first;
  for (int64_t t = 0; t < rows; ++t) {
    const E* const z = static_cast<const E*>(elements) + t * stride + first;
    double* const row = packed + t * kGramColumns;
    const double factor = scale == nullptr ? 1 : scale[t];
    if (left >= kGramColumns) {
      for (int64_t c = 0; c < kGramColumns; ++c) row[c] = factor * ToDouble(z[c]);
    } else {
      for (int64_t c = 0; c < kGramColumns; ++c) row[c] = c < left ? factor * ToDouble(z[c]) : 0;
    }
  }
}

void GramTile(int64_t rows, const double* a, const double* b, int64_t height, int64_t width, double* c,
              int64_t stride) {
  for (int64_t half = 0; half < kGramColumns; half += kDoubles) {
    DoubleVec sums[kDoubles][2] = {};
    for (int64_t t = 0; t < rows; ++t) {
      const UnalignedDoubleVec* const columns =
          reinterpret_cast<const UnalignedDoubleVec*>(b + t * kGramColumns);
      const DoubleVec left = columns[0], right = columns[1];
      for (int64_t r = 0; r < kDoubles; ++r) {
        const double factor = a[t * kGramColumns + half + r];
        sums[r][0] += factor * left;
        sums[r][1] += factor * right;
      }
    }
    for (int64_t r = 0; r < kDoubles && half + r < height; ++r) {
      double* const row = c + (half + r) * stride;
      for (int64_t column = 0; column < kGramColumns && column < width; ++column)
        row[column] += sums[r][column / kDoubles][column % kDoubles];
    }
  }
}

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_DOUBLE_GRAM_H_
