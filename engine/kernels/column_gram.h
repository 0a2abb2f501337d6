// Sums of products of columns, in float64 or, a few rows at a time, in float32. For vector_kernels.cc alone.
#ifndef KPRUNE_ENGINE_KERNELS_COLUMN_GRAM_H_
#define KPRUNE_ENGINE_KERNELS_COLUMN_GRAM_H_

#include <type_traits>

#include "engine/kernels/kernels.h"
#include "engine/kernels/vector_types.h"

namespace {

typedef double DoubleVec __attribute__((vector_size(KPRUNE_LANES * 4)));
typedef DoubleVec UnalignedDoubleVec __attribute__((aligned(8), may_alias));

// By functions of plain types: a template or `auto` would drop the alignment of the unaligned types.
inline DoubleVec LoadGram(const double* p) { return *reinterpret_cast<const UnalignedDoubleVec*>(p); }
inline Vec LoadGram(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }

// S is the type of products and of their sums over the rows of one call.
template <typename S>
constexpr int64_t kGramLanes = kLanes * 4 / static_cast<int64_t>(sizeof(S));
template <typename S>
constexpr int64_t kGramColumns = 2 * kGramLanes<S>;  // of a packed panel
constexpr int64_t kGramTileRows = kLanes / 2;        // of a tile at a time: their sums stay in registers

template <typename S, typename E>
inline S ToGram(E x) {
  if constexpr (std::is_same_v<E, BFloat16>) {
    return ToFloat(x);
  } else {
    return static_cast<S>(x);
  }
}

// packed [rows, columns of a panel]: columns panel * kGramColumns .. of z, every row times its scale unless
// that is null, zeros beyond the last.
template <typename S, typename E>
void PackGram(int64_t rows, int64_t columns, int64_t panel, const void* elements, int64_t stride,
              const double* scale, S* packed) {
  constexpr int64_t kColumns = kGramColumns<S>;
  const int64_t first = panel * kColumns, left = columns - first;
  for (int64_t t = 0; t < rows; ++t) {
    const E* const z = static_cast<const E*>(elements) + t * stride + first;
    S* const row = packed + t * kColumns;
    const S factor = scale == nullptr ? S{1} : static_cast<S>(scale[t]);
    if (left >= kColumns) {
      for (int64_t c = 0; c < kColumns; ++c) row[c] = factor * ToGram<S>(z[c]);
    } else {
      for (int64_t c = 0; c < kColumns; ++c) row[c] = c < left ? factor * ToGram<S>(z[c]) : 0;
    }
  }
}

template <typename S>
void GramTile(int64_t rows, const S* a, const S* b, int64_t height, int64_t width, double* c,
              int64_t stride) {
  constexpr int64_t kColumns = kGramColumns<S>, kWidth = kGramLanes<S>;
  for (int64_t first = 0; first < height; first += kGramTileRows) {
    decltype(LoadGram(b)) sums[kGramTileRows][2] = {};
    for (int64_t t = 0; t < rows; ++t) {
      const auto left = LoadGram(b + t * kColumns), right = LoadGram(b + t * kColumns + kWidth);
      for (int64_t r = 0; r < kGramTileRows; ++r) {
        const S factor = a[t * kColumns + first + r];
        sums[r][0] += factor * left;
        sums[r][1] += factor * right;
      }
    }
    for (int64_t r = 0; r < kGramTileRows && first + r < height; ++r) {
      double* const row = c + (first + r) * stride;
      for (int64_t column = 0; column < kColumns && column < width; ++column)
        row[column] += static_cast<double>(sums[r][column / kWidth][column % kWidth]);
    }
  }
}

template <typename S>
constexpr kprune::GramKernels<S> kGramKernels = {kGramColumns<S>, PackGram<S, float>, PackGram<S, BFloat16>,
                                                 PackGram<S, double>, GramTile<S>};

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_COLUMN_GRAM_H_
