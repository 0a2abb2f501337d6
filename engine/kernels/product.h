// Products of a tall matrix of activations with a weight matrix. For vector_kernels.cc alone.
//
// B is packed, a panel of kPanelColumns columns at a time, into memory that stays in the second cache; a tile
// of kTileRows rows of A times a panel is summed in registers over the whole inner dimension, so that a sum
// does not depend on how rows and panels are shared out.
#ifndef KPRUNE_ENGINE_KERNELS_PRODUCT_H_
#define KPRUNE_ENGINE_KERNELS_PRODUCT_H_

#include "engine/kernels/activation.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/vector_types.h"

namespace {

using kprune::GeluEpilogue;
using kprune::ProductBlock;
using kprune::ProductShape;

constexpr int64_t kPanelColumns = 2 * kLanes;
constexpr int kTileRows = kLanes == 16 ? 14 : 6;  // 2 * kTileRows sums, two of B and one of A: all registers
constexpr int64_t kPackedFloats = 64 * 1024;  // a quarter of a MiB: packed panels that tiles go over together

// How elements meet in the sums: as floats, one at a time.
template <typename E>
struct Meeting {
  using Packed = float;
  static constexpr int64_t kDepth = 1;  // elements of the inner dimension that one step takes

  static float Pack(const E* element, int64_t, int64_t) { return ToFloat(*element); }
  static Vec Broadcast(const E* element) { return Splat(ToFloat(*element)); }
  static Vec BroadcastLast(const E* element) { return Broadcast(element); }
  static Vec Add(Vec sum, Vec a, Vec b) { return sum + a * b; }
};

#if defined(__AVX512BF16__)
// bfloat16 in pairs, which the processor multiplies and adds at once.
template <>
struct Meeting<BFloat16> {
  using Packed = uint32_t;
  static constexpr int64_t kDepth = 2;

  static uint32_t Pack(const BFloat16* element, int64_t stride, int64_t left) {
    return element->bits | (left > 1 ? static_cast<uint32_t>(element[stride].bits) << 16 : 0);
  }
  static BitVec Broadcast(const BFloat16* elements) {
    uint32_t pair;
    __builtin_memcpy(&pair, elements, sizeof(pair));
    return pair | BitVec{};
  }
  static BitVec BroadcastLast(const BFloat16* element) {
    return static_cast<uint32_t>(element->bits) | BitVec{};
  }
  static Vec Add(Vec sum, BitVec a, BitVec b) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
};
#endif

template <typename E>
constexpr int64_t StepsOf(int64_t inner) {
  return (inner + Meeting<E>::kDepth - 1) / Meeting<E>::kDepth;
}

inline int64_t ProductScratch(int64_t inner) {
  const int64_t panel = inner * kPanelColumns;
  return panel > kPackedFloats ? panel : kPackedFloats;
}

// One panel of B: [steps, kPanelColumns], zeros beyond the columns. Of the transposed B, whose columns are
// contiguous.
template <typename E>
void PackTransposedPanel(const ProductShape& shape, int64_t columns, const E* b,
                         typename Meeting<E>::Packed* packed) {
  using M = Meeting<E>;
  int64_t done = 0;  // steps
  if constexpr (sizeof(E) * M::kDepth == sizeof(uint32_t)) {
    for (; columns == kPanelColumns && (done + kLanes) * M::kDepth <= shape.inner; done += kLanes) {
      for (int64_t c = 0; c < kPanelColumns; c += kLanes) {
        BitVec square[kLanes];
        for (int64_t i = 0; i < kLanes; ++i)
          square[i] = LoadWords(b + (c + i) * shape.b_stride + done * M::kDepth);
        TransposeSquare(square);
        for (int64_t i = 0; i < kLanes; ++i) StoreWords(packed + (done + i) * kPanelColumns + c, square[i]);
      }
    }
  }
  for (int64_t k = done; k < StepsOf<E>(shape.inner); ++k) {
    for (int64_t c = 0; c < kPanelColumns; ++c) {
      const E* const element = b + c * shape.b_stride + k * M::kDepth;
      packed[k * kPanelColumns + c] = c < columns ? M::Pack(element, 1, shape.inner - k * M::kDepth) : 0;
    }
  }
}

// The same of B as it is, whose rows are contiguous.
template <typename E>
void PackPlainPanel(const ProductShape& shape, int64_t columns, const E* b,
                    typename Meeting<E>::Packed* packed) {
  using M = Meeting<E>;
  for (int64_t k = 0; k < StepsOf<E>(shape.inner); ++k) {
    const E* const row = b + k * M::kDepth * shape.b_stride;
    const int64_t left = shape.inner - k * M::kDepth;
    typename M::Packed* const to = packed + k * kPanelColumns;
    if (columns == kPanelColumns && left >= M::kDepth) {
      for (int64_t c = 0; c < kPanelColumns; ++c) to[c] = M::Pack(row + c, shape.b_stride, M::kDepth);
    } else {
      for (int64_t c = 0; c < kPanelColumns; ++c)
        to[c] = c < columns ? M::Pack(row + c, shape.b_stride, left) : 0;
    }
  }
}

template <typename E>
void PackPanel(const ProductShape& shape, int64_t panel, const E* b, typename Meeting<E>::Packed* packed) {
  const int64_t first = panel * kPanelColumns;
  const int64_t columns = Least(kPanelColumns, shape.columns - first);
  if (shape.b_transposed) {
    PackTransposedPanel(shape, columns, b + first * shape.b_stride, packed);
  } else {
    PackPlainPanel(shape, columns, b + first, packed);
  }
}

// R rows of A, from `a` on, times a packed panel; `lanes` columns of it exist.
template <typename E, int R, bool kGelu>
inline void ProductTile(const ProductShape& shape, const E* a, const typename Meeting<E>::Packed* packed,
                        E* c, const E* bias, E* derivative, int64_t lanes) {
  using M = Meeting<E>;
  for (int r = 0; r < R; ++r) {
    __builtin_prefetch(c + r * shape.c_stride, 1);
    __builtin_prefetch(c + r * shape.c_stride + kPanelColumns - 1, 1);
  }
  Vec sums[R][2] = {};
  const int64_t whole = shape.inner / M::kDepth;
  for (int64_t k = 0; k < whole; ++k) {
    const auto left = Load(packed + k * kPanelColumns);
    const auto right = Load(packed + k * kPanelColumns + kLanes);
    for (int r = 0; r < R; ++r) {
      const auto row = M::Broadcast(a + r * shape.a_stride + k * M::kDepth);
      sums[r][0] = M::Add(sums[r][0], row, left);
      sums[r][1] = M::Add(sums[r][1], row, right);
    }
  }
  if (whole * M::kDepth < shape.inner) {
    for (int r = 0; r < R; ++r) {
      const auto row = M::BroadcastLast(a + r * shape.a_stride + whole * M::kDepth);
      for (int v = 0; v < 2; ++v)
        sums[r][v] = M::Add(sums[r][v], row, Load(packed + whole * kPanelColumns + v * kLanes));
    }
  }
  for (int v = 0; v < 2; ++v) {
    const int64_t rest = lanes - v * kLanes;
    const Vec shift = kGelu ? LoadUpTo(bias + v * kLanes, rest) : Vec{};
    for (int r = 0; r < R; ++r) {
      const int64_t at = r * shape.c_stride + v * kLanes;
      if (!kGelu) {
        StoreUpTo(c + at, sums[r][v], rest);
        continue;
      }
      const Activated gelu = GeluOf(sums[r][v] + shift);
      StoreUpTo(c + at, gelu.value, rest);
      if (derivative != nullptr) StoreUpTo(derivative + at, gelu.derivative, rest);
    }
  }
}

// The last rows, fewer than a tile.
template <typename E, int R, bool kGelu>
inline void LastRows(int64_t rows, const ProductShape& shape, const E* a,
                     const typename Meeting<E>::Packed* packed, E* c, const E* bias, E* derivative,
                     int64_t lanes) {
  if constexpr (R > 0) {
    if (rows == R) return ProductTile<E, R, kGelu>(shape, a, packed, c, bias, derivative, lanes);
    LastRows<E, R - 1, kGelu>(rows, shape, a, packed, c, bias, derivative, lanes);
  }
}

template <typename E, bool kGelu>
void ProductOfPanels(const ProductShape& shape, const ProductBlock& block, const E* a, const E* b, E* c,
                     const E* bias, E* derivative, float* scratch) {
  using Packed = typename Meeting<E>::Packed;
  const int64_t panel_size = StepsOf<E>(shape.inner) * kPanelColumns;
  const int64_t fit = kPackedFloats / (panel_size > 0 ? panel_size : 1), together = fit > 1 ? fit : 1;
  Packed* const packed = reinterpret_cast<Packed*>(scratch);
  for (int64_t first = block.first_panel; first < block.end_panel; first += together) {
    const int64_t panels = Least(together, block.end_panel - first);
    for (int64_t p = 0; p < panels; ++p) PackPanel(shape, first + p, b, packed + p * panel_size);
    for (int64_t i = block.first_row; i < block.end_row; i += kTileRows) {
      const int64_t rows = block.end_row - i;
      for (int64_t p = 0; p < panels; ++p) {
        const int64_t column = (first + p) * kPanelColumns, lanes = shape.columns - column;
        E* const to = c + i * shape.c_stride + column;
        E* const slope = derivative == nullptr ? nullptr : derivative + i * shape.c_stride + column;
        const E* const shift = bias == nullptr ? nullptr : bias + column;
        const E* const from = a + i * shape.a_stride;
        if (rows >= kTileRows) {
          ProductTile<E, kTileRows, kGelu>(shape, from, packed + p * panel_size, to, shift, slope, lanes);
        } else {
          LastRows<E, kTileRows - 1, kGelu>(rows, shape, from, packed + p * panel_size, to, shift, slope,
                                            lanes);
        }
      }
    }
  }
}

template <typename E>
void Product(const ProductShape& shape, const ProductBlock& block, const void* a, const void* b, void* c,
             const GeluEpilogue* gelu, float* scratch) {
  const E *from = static_cast<const E*>(a), *weight = static_cast<const E*>(b);
  if (gelu == nullptr) {
    return ProductOfPanels<E, false>(shape, block, from, weight, static_cast<E*>(c), nullptr, nullptr,
                                     scratch);
  }
  ProductOfPanels<E, true>(shape, block, from, weight, static_cast<E*>(c), static_cast<const E*>(gelu->bias),
                           static_cast<E*>(gelu->derivative), scratch);
}

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_PRODUCT_H_
