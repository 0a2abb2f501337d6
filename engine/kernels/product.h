// Products of a tall matrix of activations with a weight matrix. For vector_kernels.cc alone.
//
// B is packed, in panels of kPanelColumns columns; a tile of some rows of A times a panel is summed over the
// whole inner dimension at once, so that a sum does not depend on how rows and panels are shared out. Rows go
// over as many panels together as stay in the second cache. bfloat16 that the processor does not multiply
// becomes float32 on the way: B when it is packed, some rows of A at a time.
#ifndef KPRUNE_ENGINE_KERNELS_PRODUCT_H_
#define KPRUNE_ENGINE_KERNELS_PRODUCT_H_

#include <type_traits>

#include "engine/kernels/activation.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/vector_types.h"

namespace {

using kprune::GeluEpilogue;
using kprune::ProductBlock;
using kprune::ProductShape;

constexpr int64_t kPanelColumns = 2 * kLanes;
constexpr int kTileRows = kLanes == 16 ? 14 : 6;  // 2 * kTileRows sums, two of B and one of A: all registers
#if defined(__AMX_BF16__)
constexpr int64_t kFloatsTogether = 320 * 1024;  // of panels; processors with matrix tiles have 2 MiB
constexpr int64_t kTilePairs = 16;               // what a matrix tile takes of the inner dimension
#elif defined(__AVX512F__) && !KPRUNE_PAIRS
constexpr int64_t kFloatsTogether = 128 * 1024;  // rows are converted once for them all
constexpr int64_t kTilePairs = 1;
#else
constexpr int64_t kFloatsTogether = 64 * 1024;
constexpr int64_t kTilePairs = 1;
#endif

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

#if KPRUNE_PAIRS
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

// Steps over the inner dimension; of a packed panel, which zeros fill up to whole matrix tiles.
template <typename E>
constexpr int64_t StepsOf(int64_t inner) {
  return (inner + Meeting<E>::kDepth - 1) / Meeting<E>::kDepth;
}
template <typename E>
constexpr int64_t PackedSteps(int64_t inner) {
  constexpr int64_t kTogether = Meeting<E>::kDepth > 1 ? kTilePairs : 1;
  return (StepsOf<E>(inner) + kTogether - 1) / kTogether * kTogether;
}
template <typename E>
int64_t PackedPanel(int64_t inner) {
  static_assert(sizeof(typename Meeting<E>::Packed) == sizeof(float));
  return PackedSteps<E>(inner) * kPanelColumns;
}

// Whether rows of A become float32 before they are multiplied.
template <typename E>
constexpr bool kWidensRows = std::is_same_v<E, BFloat16> && Meeting<E>::kDepth == 1;

// One panel of B: [steps, kPanelColumns], zeros beyond the columns and the inner dimension. Of the transposed
// B, whose columns are contiguous.
template <typename E>
void PackTransposedPanel(const ProductShape& shape, int64_t columns, const E* b,
                         typename Meeting<E>::Packed* packed) {
  using M = Meeting<E>;
  int64_t done = 0;  // steps
  if constexpr (sizeof(E) * M::kDepth == sizeof(uint32_t)) {
    for (; columns == kPanelColumns && (done + kLanes) * M::kDepth <= shape.inner; done += kLanes) {
      for (int64_t c = 0; c < kPanelColumns; c += kLanes) {
        BitVec square[kLanes];
        for (int64_t i = 0; i < kLanes; ++i) {
          const E* const row = b + (c + i) * shape.b_stride + done * M::kDepth;
          constexpr int64_t kAhead = 4 * kLanes * M::kDepth;  // no processor sees that many rows coming
          if (done * M::kDepth + kAhead < shape.inner) __builtin_prefetch(row + kAhead);
          square[i] = LoadWords(row);
        }
        TransposeSquare(square);
        for (int64_t i = 0; i < kLanes; ++i) StoreWords(packed + (done + i) * kPanelColumns + c, square[i]);
      }
    }
  }
  for (int64_t k = done; k < PackedSteps<E>(shape.inner); ++k) {
    const int64_t left = shape.inner - k * M::kDepth;
    for (int64_t c = 0; c < kPanelColumns; ++c) {
      const E* const element = b + c * shape.b_stride + k * M::kDepth;
      packed[k * kPanelColumns + c] = c < columns && left > 0 ? M::Pack(element, 1, left) : 0;
    }
  }
}

// The same of B as it is, whose rows are contiguous.
template <typename E>
void PackPlainPanel(const ProductShape& shape, int64_t columns, const E* b,
                    typename Meeting<E>::Packed* packed) {
  using M = Meeting<E>;
  for (int64_t k = 0; k < PackedSteps<E>(shape.inner); ++k) {
    const E* const row = b + k * M::kDepth * shape.b_stride;
    const int64_t left = shape.inner - k * M::kDepth;
    typename M::Packed* const to = packed + k * kPanelColumns;
    if (columns == kPanelColumns && left >= M::kDepth) {
      for (int64_t c = 0; c < kPanelColumns; ++c) to[c] = M::Pack(row + c, shape.b_stride, M::kDepth);
    } else {
      for (int64_t c = 0; c < kPanelColumns; ++c)
        to[c] = c < columns && left > 0 ? M::Pack(row + c, shape.b_stride, left) : 0;
    }
  }
}

template <typename E>
void PackPanels(const ProductShape& shape, int64_t first, int64_t end, const void* elements, float* to) {
  for (int64_t panel = first; panel < end; ++panel, to += PackedPanel<E>(shape.inner)) {
    const int64_t column = panel * kPanelColumns, columns = Least(kPanelColumns, shape.columns - column);
    const E* const b = static_cast<const E*>(elements);
    auto* const packed = reinterpret_cast<typename Meeting<E>::Packed*>(to);
    if (shape.b_transposed) {
      PackTransposedPanel(shape, columns, b + column * shape.b_stride, packed);
    } else {
      PackPlainPanel(shape, columns, b + column, packed);
    }
  }
}

// Calls tile(first row, rows, panel, the packed panel) for all of a block, kRows rows at a time, and
// rows(first row, rows) before the first tile of some rows and some panels.
template <int64_t kRows, typename Rows, typename Tile>
void ForEachTile(const ProductBlock& block, const float* packed, int64_t panel_size, const Rows& rows,
                 const Tile& tile) {
  const int64_t fit = kFloatsTogether / (panel_size > 0 ? panel_size : 1), together = fit > 1 ? fit : 1;
  for (int64_t first = block.first_panel; first < block.end_panel; first += together) {
    const int64_t end = Least(first + together, block.end_panel);
    for (int64_t i = block.first_row; i < block.end_row; i += kRows) {
      const int64_t count = Least(kRows, block.end_row - i);
      rows(i, count);
      for (int64_t panel = first; panel < end; ++panel)
        tile(i, count, panel, packed + (panel - block.first_panel) * panel_size);
    }
  }
}

// Where sums go: to c as they are, or through gelu.
template <typename E, bool kGelu>
struct Results {
  E* c;
  const E* bias;
  E* derivative;
  float* squares;
  int64_t stride;

  Results At(int64_t row, int64_t column) const {
    const int64_t at = row * stride + column;
    return {c + at, kGelu ? bias + column : nullptr, derivative == nullptr ? nullptr : derivative + at,
            squares == nullptr ? nullptr : squares + column, stride};
  }
  // Of a panel's columns, to be put soon.
  void Prefetch(int64_t rows) const {
    constexpr int kForWriting = 1;
    for (int64_t r = 0; r < rows; ++r) {
      __builtin_prefetch(c + r * stride, kForWriting);
      __builtin_prefetch(c + r * stride + kPanelColumns - 1, kForWriting);
      if (derivative != nullptr) __builtin_prefetch(derivative + r * stride, kForWriting);
    }
  }
  // Of a vector of columns, of which `lanes` exist.
  Vec Bias(int64_t column, int64_t lanes) const { return kGelu ? LoadUpTo(bias + column, lanes) : Vec{}; }
  void Put(int64_t row, int64_t column, Vec sums, Vec shift, int64_t lanes) const {
    const int64_t at = row * stride + column;
    if (!kGelu) return StoreUpTo(c + at, sums, lanes);
    const Activated gelu = GeluAs<E>(sums + shift);
    StoreUpTo(c + at, gelu.value, lanes);
    if (derivative != nullptr) StoreUpTo(derivative + at, gelu.derivative, lanes);
    AddSquares(column, gelu.value * gelu.value, lanes);
  }
  void AddSquares(int64_t column, Vec more, int64_t lanes) const {
    if (squares == nullptr) return;
    StoreUpTo(squares + column, LoadUpTo(squares + column, lanes) + more, lanes);
  }
  // Two vectors of columns that exist, whose values' squares are added to left_squares and right_squares.
  void PutPair(int64_t row, Vec left, Vec right, Vec left_shift, Vec right_shift, Vec& left_squares,
               Vec& right_squares) const {
    const int64_t at = row * stride;
    if (!kGelu) return StorePair(c + at, left, right);
    const Activated of_left = GeluAs<E>(left + left_shift), of_right = GeluAs<E>(right + right_shift);
    StorePair(c + at, of_left.value, of_right.value);
    if (derivative != nullptr) StorePair(derivative + at, of_left.derivative, of_right.derivative);
    left_squares += of_left.value * of_left.value;
    right_squares += of_right.value * of_right.value;
  }
};

// R rows of A, from `a` on, times a packed panel; `lanes` columns of it exist.
template <typename A, typename E, int R, bool kGelu>
inline void ProductTile(int64_t inner, const A* a, int64_t a_stride,
                        const typename Meeting<A>::Packed* packed, const Results<E, kGelu>& to,
                        int64_t lanes) {
  using M = Meeting<A>;
  to.Prefetch(R);
  Vec sums[R][2] = {};
  const int64_t whole = inner / M::kDepth;
  for (int64_t k = 0; k < whole; ++k) {
    const auto left = Load(packed + k * kPanelColumns);
    const auto right = Load(packed + k * kPanelColumns + kLanes);
    for (int r = 0; r < R; ++r) {
      const auto row = M::Broadcast(a + r * a_stride + k * M::kDepth);
      sums[r][0] = M::Add(sums[r][0], row, left);
      sums[r][1] = M::Add(sums[r][1], row, right);
    }
  }
  if (whole * M::kDepth < inner) {
    for (int r = 0; r < R; ++r) {
      const auto row = M::BroadcastLast(a + r * a_stride + whole * M::kDepth);
      for (int v = 0; v < 2; ++v)
        sums[r][v] = M::Add(sums[r][v], row, Load(packed + whole * kPanelColumns + v * kLanes));
    }
  }
  for (int v = 0; v < 2; ++v) {
    const int64_t column = v * kLanes, rest = lanes - column;
    const Vec shift = to.Bias(column, rest);
    for (int r = 0; r < R; ++r) to.Put(r, column, sums[r][v], shift, rest);
  }
}

// body(R), a constant, of as many rows as there are: kMost at most.
template <int kMost, typename Body>
inline void WithRows(int64_t rows, const Body& body) {
  if constexpr (kMost > 0) {
    if (rows == kMost) return body(std::integral_constant<int, kMost>());
    WithRows<kMost - 1>(rows, body);
  }
}

// to [rows, inner] = rows of A.
inline void WidenRows(const BFloat16* a, int64_t stride, int64_t rows, int64_t inner, float* to) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < inner; k += kLanes)
      StoreUpTo(to + r * inner + k, LoadUpTo(a + r * stride + k, inner - k), inner - k);
  }
}

// What VectorProduct works in.
inline int64_t VectorScratch(int64_t inner) { return kWidensRows<BFloat16> ? kTileRows * inner : 0; }

// By vectors of sums.
template <typename E, bool kGelu>
void VectorProduct(const ProductShape& shape, const ProductBlock& block, const E* a, const float* packed,
                   const Results<E, kGelu>& to, float* scratch) {
  using A = std::conditional_t<kWidensRows<E>, float, E>;
  const auto tile = [&](int64_t i, int64_t rows, int64_t panel, const float* packed_panel) {
    const auto* const panel_of_b = reinterpret_cast<const typename Meeting<E>::Packed*>(packed_panel);
    const int64_t column = panel * kPanelColumns, lanes = shape.columns - column, inner = shape.inner;
    const A* from;
    int64_t stride = shape.a_stride;
    if constexpr (kWidensRows<E>) {
      from = scratch;
      stride = inner;
    } else {
      from = a + i * stride;
    }
    const Results<E, kGelu> here = to.At(i, column);
    WithRows<kTileRows>(rows, [&](auto count) {
      ProductTile<A, E, count, kGelu>(inner, from, stride, panel_of_b, here, lanes);
    });
  };
  const auto before = [&]([[maybe_unused]] int64_t i, [[maybe_unused]] int64_t rows) {
    if constexpr (kWidensRows<E>)
      WidenRows(a + i * shape.a_stride, shape.a_stride, rows, shape.inner, scratch);
  };
  ForEachTile<kTileRows>(block, packed, PackedPanel<E>(shape.inner), before, tile);
}

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_PRODUCT_H_
