// Sums of products of columns: in float64; or, a few rows at a time, in float32 or of pairs of bfloat16 with
// float32 sums. For vector_kernels.cc alone.
#ifndef KPRUNE_ENGINE_KERNELS_COLUMN_GRAM_H_
#define KPRUNE_ENGINE_KERNELS_COLUMN_GRAM_H_

#include <type_traits>

#include "engine/kernels/kernels.h"
#include "engine/kernels/matrix_tiles.h"
#include "engine/kernels/vector_types.h"

namespace {

typedef double DoubleVec __attribute__((vector_size(KPRUNE_LANES * 4)));
typedef DoubleVec UnalignedDoubleVec __attribute__((aligned(8), may_alias));
typedef float HalfFloatVec __attribute__((vector_size(KPRUNE_LANES * 2)));
typedef HalfFloatVec UnalignedHalfFloatVec __attribute__((aligned(4), may_alias));

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

// Adds a vector to what is at `to`.
inline void AddTo(double* to, DoubleVec x) { *reinterpret_cast<UnalignedDoubleVec*>(to) += x; }
inline void AddTo(double* to, Vec x) {
  float parts[kLanes];
  Store(parts, x);
  for (int64_t half = 0; half < kLanes; half += kLanes / 2) {
    const HalfFloatVec part = *reinterpret_cast<const UnalignedHalfFloatVec*>(parts + half);
    AddTo(to + half, __builtin_convertvector(part, DoubleVec));
  }
}

// Adds the sums of rows first .. of a tile to c.
template <typename SumVec>
inline void AddTile(const SumVec (&sums)[kGramTileRows][2], int64_t first, int64_t height, int64_t width,
                    double* c, int64_t stride) {
  constexpr int64_t kWidth = sizeof(SumVec) / sizeof(sums[0][0][0]);
  for (int64_t r = 0; r < kGramTileRows && first + r < height; ++r) {
    double* const row = c + (first + r) * stride;
    if (width >= 2 * kWidth) {
      for (int64_t v = 0; v < 2; ++v) AddTo(row + v * kWidth, sums[r][v]);
      continue;
    }
    for (int64_t column = 0; column < width; ++column)
      row[column] += static_cast<double>(sums[r][column / kWidth][column % kWidth]);
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
    AddTile(sums, first, height, width, c, stride);
  }
}

template <typename S>
constexpr kprune::GramKernels<S> kGramKernels = {
    kGramColumns<S>, 1, PackGram<S, float>, PackGram<S, BFloat16>, PackGram<S, double>, GramTile<S>};

#if KPRUNE_PAIRS
using kprune::BFloat16Pair;

template <typename E>
void PackPairs(int64_t rows, int64_t columns, int64_t panel, const void* elements, int64_t stride,
               const double* scale, BFloat16Pair* packed) {
  constexpr int64_t kColumns = kGramColumns<float>;
  const int64_t first = panel * kColumns, left = Least(kColumns, columns - first);
  for (int64_t t = 0; t < rows; t += 2, packed += kColumns) {
    if constexpr (std::is_same_v<E, BFloat16>) {
      if (scale == nullptr && left == kColumns && t + 1 < rows) {
        const BFloat16* const z = static_cast<const BFloat16*>(elements) + t * stride + first;
        for (int64_t c = 0; c < kColumns; ++c)
          packed[c].bits = z[c].bits | static_cast<uint32_t>(z[stride + c].bits) << 16;
        continue;
      }
    }
    float pair[2][kColumns] = {};
    for (int64_t half = 0; half < 2 && t + half < rows; ++half) {
      const E* const z = static_cast<const E*>(elements) + (t + half) * stride + first;
      const float factor = scale == nullptr ? 1.0f : static_cast<float>(scale[t + half]);
      if (left == kColumns) {
        for (int64_t c = 0; c < kColumns; ++c) pair[half][c] = factor * ToGram<float>(z[c]);
      } else {
        for (int64_t c = 0; c < left; ++c) pair[half][c] = factor * ToGram<float>(z[c]);
      }
    }
    for (int64_t c = 0; c < kColumns; c += kLanes) {
      BFloat16 upper[kLanes], lower[kLanes];
      Store(upper, Load(pair[0] + c));
      Store(lower, Load(pair[1] + c));
      for (int64_t i = 0; i < kLanes; ++i)
        packed[c + i].bits = upper[i].bits | static_cast<uint32_t>(lower[i].bits) << 16;
    }
  }
}

#if defined(__AMX_BF16__)
// Some steps of kTileSide pairs at a time: their columns of `a` become rows.
void PairTile(int64_t rows, const BFloat16Pair* a, const BFloat16Pair* b, int64_t height, int64_t width,
              double* c, int64_t stride) {
  constexpr int64_t kColumns = kGramColumns<float>, kSteps = 8;
  static_assert(kColumns == kSquare, "a panel is two tiles wide");
  alignas(64) BFloat16Pair rows_of_a[kSteps][kSquare][kTileSide];
  alignas(64) BFloat16Pair last[2][kTileSide * kColumns];
  alignas(64) float sums[kSquare][kSquare];
  const TileRegisters registers;
  const int64_t pairs = (rows + 1) / 2;
  const auto add = [&](int64_t steps, const BFloat16Pair* left, const BFloat16Pair* right) {
    for (int64_t k = 0; k < steps; ++k) {
      for (int64_t half = 0; half < kSquare; half += kTileSide) {
        BitVec square[kLanes];
        for (int64_t i = 0; i < kTileSide; ++i)
          square[i] = LoadWords(left + (k * kTileSide + i) * kColumns + half);
        TransposeSquare(square);
        for (int64_t i = 0; i < kTileSide; ++i) StoreWords(rows_of_a[k][half + i], square[i]);
      }
    }
    SquareOfTiles(steps, reinterpret_cast<const BFloat16*>(rows_of_a), &right->bits, &sums[0][0],
                  [](int64_t) {});
    for (int64_t r = 0; r < height; ++r) {
      for (int64_t column = 0; column < Least(width, kColumns); ++column)
        c[r * stride + column] += static_cast<double>(sums[r][column]);
    }
  };
  int64_t done = 0;  // pairs
  while (pairs - done >= kTileSide) {
    const int64_t steps = Least(kSteps, (pairs - done) / kTileSide);
    add(steps, a + done * kColumns, b + done * kColumns);
    done += steps * kTileSide;
  }
  if (done == pairs) return;
  // Zeros behind the last pairs, of both.
  for (int64_t i = 0; i < kTileSide * kColumns; ++i) {
    const bool exists = i < (pairs - done) * kColumns;
    last[0][i] = exists ? a[done * kColumns + i] : BFloat16Pair{};
    last[1][i] = exists ? b[done * kColumns + i] : BFloat16Pair{};
  }
  add(1, last[0], last[1]);
}
#else
void PairTile(int64_t rows, const BFloat16Pair* a, const BFloat16Pair* b, int64_t height, int64_t width,
              double* c, int64_t stride) {
  constexpr int64_t kColumns = kGramColumns<float>;
  const auto pairs = [](BitVec x) { return reinterpret_cast<__m512bh>(x); };
  for (int64_t first = 0; first < height; first += kGramTileRows) {
    Vec sums[kGramTileRows][2] = {};
    for (int64_t t = 0; t < (rows + 1) / 2; ++t) {
      const BitVec left = LoadWords(b + t * kColumns), right = LoadWords(b + t * kColumns + kLanes);
      for (int64_t r = 0; r < kGramTileRows; ++r) {
        const BitVec factor = a[t * kColumns + first + r].bits | BitVec{};
        sums[r][0] = _mm512_dpbf16_ps(sums[r][0], pairs(factor), pairs(left));
        sums[r][1] = _mm512_dpbf16_ps(sums[r][1], pairs(factor), pairs(right));
      }
    }
    AddTile(sums, first, height, width, c, stride);
  }
}
#endif

constexpr kprune::GramKernels<BFloat16Pair> kPairs = {
    kGramColumns<float>, 2, PackPairs<float>, PackPairs<BFloat16>, PackPairs<double>, PairTile};
constexpr const kprune::GramKernels<BFloat16Pair>* kPairGramKernels = &kPairs;
#else
constexpr const kprune::GramKernels<kprune::BFloat16Pair>* kPairGramKernels = nullptr;
#endif

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_COLUMN_GRAM_H_
