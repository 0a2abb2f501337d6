// Compiled once for each instruction set with KPRUNE_KERNELS naming the function that gives the table.
// Includes nothing with inline functions of external linkage: the linker would keep one copy for all sets.
#include <cstdint>
#include <type_traits>

#include "engine/kernels/activation.h"
#include "engine/kernels/attention.h"
#include "engine/kernels/column_gram.h"
#include "engine/kernels/half_product.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/product.h"
#include "engine/kernels/small_gemm.h"
#include "engine/kernels/tile_product.h"
#include "engine/kernels/vector_types.h"

namespace {

using kprune::Kernels;
using kprune::TypedKernels;

template <typename E>
void Gelu(int64_t rows, int64_t columns, const void* h_elements, const void* bias_elements, void* z_elements,
          void* derivative_elements) {
  const E* bias = static_cast<const E*>(bias_elements);
  for (int64_t r = 0; r < rows; ++r) {
    const E* h = static_cast<const E*>(h_elements) + r * columns;
    E* z = static_cast<E*>(z_elements) + r * columns;
    E* derivative =
        derivative_elements == nullptr ? nullptr : static_cast<E*>(derivative_elements) + r * columns;
    for (int64_t c = 0; c < columns; c += kLanes) {
      const int64_t lanes = columns - c;
      const Vec x = LoadUpTo(h + c, lanes) + LoadUpTo(bias + c, lanes);
      const Activated gelu = GeluAs<E>(x);
      StoreUpTo(z + c, gelu.value, lanes);
      if (derivative != nullptr) StoreUpTo(derivative + c, gelu.derivative, lanes);
    }
  }
}

// Rows between what a pass over rows works on and what it asks for.
constexpr int64_t kRowsAhead = 3;

// A vector of x + branch + branch_bias, or of x where `branch` is null, from column c of d on; the row begins
// at `row`.
template <typename E>
inline Vec PlusBranch(const float* x, const E* branch, const E* branch_bias, int64_t row, int64_t c,
                      int64_t d) {
  if (branch == nullptr) return LoadUpTo(x + row + c, d - c);
  return LoadUpTo(x + row + c, d - c) + LoadUpTo(branch + row + c, d - c) + LoadUpTo(branch_bias + c, d - c);
}

template <typename E>
void AddBranch(int64_t rows, int64_t d, const float* x, const void* branch_elements,
               const void* branch_bias_elements, float* y) {
  const E* branch = static_cast<const E*>(branch_elements);
  const E* branch_bias = static_cast<const E*>(branch_bias_elements);
  for (int64_t row = 0; row < rows * d; row += d) {
    for (int64_t c = 0; c < d; c += kLanes) {
      __builtin_prefetch(x + row + c + kRowsAhead * d);
      __builtin_prefetch(branch + row + c + kRowsAhead * d);
      StoreUpTo(y + row + c, PlusBranch(x, branch, branch_bias, row, c, d), d - c);
    }
  }
}

double Residual(int64_t rows, int64_t d, const float* y, const float* x, const float* bias, float* residual) {
  double all = 0;
  for (int64_t row = 0; row < rows * d; row += d) {
    Vec squares{};
    for (int64_t c = 0; c < d; c += kLanes) {
      __builtin_prefetch(y + row + c + kRowsAhead * d);
      __builtin_prefetch(x + row + c + kRowsAhead * d);
      const Vec value =
          LoadUpTo(y + row + c, d - c) - LoadUpTo(x + row + c, d - c) - LoadUpTo(bias + c, d - c);
      StoreUpTo(residual + row + c, value, d - c);
      squares += value * value;
    }
    all += static_cast<double>(Sum(squares));
  }
  return all;
}

template <typename E>
void AddNorm(int64_t rows, int64_t d, const float* x, const void* branch_elements,
             const void* branch_bias_elements, const float* weight, const float* bias, double eps, float* y,
             float* statistics, float* out, void* out_elements) {
  const E* branch = static_cast<const E*>(branch_elements);
  const E* branch_bias = static_cast<const E*>(branch_bias_elements);
  E* out_element = static_cast<E*>(out_elements);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = r * d;
    Vec sum{};
    for (int64_t c = 0; c < d; c += kLanes) {
      __builtin_prefetch(x + row + c + kRowsAhead * d);
      __builtin_prefetch(branch + row + c + kRowsAhead * d);
      __builtin_prefetch(y + row + c + kRowsAhead * d);
      const Vec value = PlusBranch(x, branch, branch_bias, row, c, d);
      StoreUpTo(y + row + c, value, d - c);
      sum += value;
    }
    const float mean = Sum(sum) / static_cast<float>(d);
    Vec squares{};
    for (int64_t c = 0; c < d; c += kLanes) {
      const Vec centred = KeepLanes(LoadUpTo(y + row + c, d - c) - mean, d - c);
      squares += centred * centred;
    }
    const double variance = static_cast<double>(Sum(squares)) / static_cast<double>(d);
    const float rstd = static_cast<float>(1.0 / __builtin_sqrt(variance + eps));
    if (statistics != nullptr) {
      statistics[2 * r] = mean;
      statistics[2 * r + 1] = rstd;
    }
    for (int64_t c = 0; c < d; c += kLanes) {
      const Vec value = (LoadUpTo(y + row + c, d - c) - mean) * rstd * LoadUpTo(weight + c, d - c) +
                        LoadUpTo(bias + c, d - c);
      StoreUpTo(out + row + c, value, d - c);
      if (out_element != nullptr) StoreUpTo(out_element + row + c, value, d - c);
    }
  }
}

template <typename E>
void NormBackward(int64_t rows, int64_t d, const float* gradient, const void* branch_elements, const float* y,
                  const float* statistics, const float* weight, float* out, void* out_elements) {
  const E* branch = static_cast<const E*>(branch_elements);
  E* out_element = static_cast<E*>(out_elements);
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t row = r * d;
    const float mean = statistics[2 * r], rstd = statistics[2 * r + 1];
    Vec sum{}, product{};
    for (int64_t c = 0; c < d; c += kLanes) {
      __builtin_prefetch(gradient + row + c + kRowsAhead * d);
      __builtin_prefetch(y + row + c + kRowsAhead * d);
      if (branch != nullptr) __builtin_prefetch(branch + row + c + kRowsAhead * d);
      Vec g = LoadUpTo(gradient + row + c, d - c);
      if (branch != nullptr) g += LoadUpTo(branch + row + c, d - c);
      g *= LoadUpTo(weight + c, d - c);  // beyond the row: zero
      StoreUpTo(out + row + c, g, d - c);
      sum += g;
      product += g * ((LoadUpTo(y + row + c, d - c) - mean) * rstd);
    }
    const float mean_gradient = Sum(sum) / static_cast<float>(d);
    const float mean_product = Sum(product) / static_cast<float>(d);
    for (int64_t c = 0; c < d; c += kLanes) {
      const Vec normal = (LoadUpTo(y + row + c, d - c) - mean) * rstd;
      const Vec g = (LoadUpTo(out + row + c, d - c) - mean_gradient - normal * mean_product) * rstd;
      StoreUpTo(out + row + c, g, d - c);
      if (out_element != nullptr) StoreUpTo(out_element + row + c, g, d - c);
    }
  }
}

// Asks for the next V vectors of a row: those of many rows are too far apart for processors to see them
// coming.
template <typename E, int V>
inline void PrefetchNext(const E* here) {
  constexpr int64_t kLine = 64 / sizeof(E), kNext = V * kLanes;
  for (int64_t c = 0; c < kNext; c += kLine) __builtin_prefetch(here + kNext + c);
}

// V vectors of columns from `u` on of one segment's rows; `lanes` of them exist.
template <typename E, int V>
inline void SegmentDotPanel(int64_t u, int64_t lanes, int64_t units, int64_t begin, int64_t end, const E* z,
                            E* gradient, const E* derivative, float* sums) {
  Vec totals[V] = {};
  for (int64_t t = begin; t < end; ++t) {
    const int64_t at = t * units + u;
    PrefetchNext<E, V>(z + at);
    PrefetchNext<E, V>(gradient + at);
    if (derivative != nullptr) PrefetchNext<E, V>(derivative + at);
    for (int v = 0; v < V; ++v) {
      const int64_t c = at + v * kLanes, rest = lanes - v * kLanes;
      const Vec g = LoadUpTo(gradient + c, rest);
      totals[v] += g * LoadUpTo(z + c, rest);
      if (derivative != nullptr) StoreUpTo(gradient + c, g * LoadUpTo(derivative + c, rest), rest);
    }
  }
  for (int v = 0; v < V; ++v) StoreUpTo(sums + u + v * kLanes, totals[v], lanes - v * kLanes);
}

constexpr int64_t kPanel = 4 * kLanes;  // columns at a time: whole cache lines of elements

template <typename E>
void SegmentDot(int64_t begin, int64_t end, int64_t units, int64_t sequences, const int64_t* offsets,
                const void* z_elements, void* gradient_elements, const void* derivative_elements,
                float* sums) {
  const E* z = static_cast<const E*>(z_elements);
  E* gradient = static_cast<E*>(gradient_elements);
  const E* derivative = static_cast<const E*>(derivative_elements);
  for (int64_t n = 0; n < sequences; ++n) {
    const int64_t first = offsets[n], last = offsets[n + 1];
    int64_t u = begin;
    for (; u + kPanel <= end; u += kPanel)
      SegmentDotPanel<E, 4>(u, kPanel, units, first, last, z, gradient, derivative, sums + n * units);
    for (; u < end; u += kLanes)
      SegmentDotPanel<E, 1>(u, end - u, units, first, last, z, gradient, derivative, sums + n * units);
  }
}

template <typename E, int V>
inline void ColumnSquaresPanel(int64_t u, int64_t lanes, int64_t rows, int64_t units, const E* z,
                               float* sums) {
  Vec totals[V] = {};
  for (int64_t t = 0; t < rows; ++t) {
    PrefetchNext<E, V>(z + t * units + u);
    for (int v = 0; v < V; ++v) {
      const Vec x = LoadUpTo(z + t * units + u + v * kLanes, lanes - v * kLanes);
      totals[v] += x * x;
    }
  }
  for (int v = 0; v < V; ++v) {
    const int64_t c = u + v * kLanes, rest = lanes - v * kLanes;
    StoreUpTo(sums + c, totals[v] + LoadUpTo(sums + c, rest), rest);
  }
}

template <typename E>
void ColumnSquares(int64_t begin, int64_t end, int64_t rows, int64_t units, const void* z_elements,
                   float* sums) {
  const E* z = static_cast<const E*>(z_elements);
  int64_t u = begin;
  for (; u + kPanel <= end; u += kPanel) ColumnSquaresPanel<E, 4>(u, kPanel, rows, units, z, sums);
  for (; u < end; u += kLanes) ColumnSquaresPanel<E, 1>(u, end - u, rows, units, z, sums);
}

constexpr int64_t kGramRows = 256;

#if KPRUNE_PAIRS
constexpr int64_t kPairColumns = kGramColumns<float>, kPairPanel = kGramRows / 2 * kPairColumns;

int64_t GramScratch(int64_t width) {
  const int64_t panels = (width + kPairColumns - 1) / kPairColumns;
  const int64_t of_floats = (kGramRows + width) * RoundUp(width),
                of_pairs = 2 * width * width + panels * kPairPanel;
  return of_floats > of_pairs ? of_floats : of_pairs;
}

// ColumnGram of `width` columns of bfloat16.
void PairColumnGram(int64_t width, int64_t rows, int64_t units, const BFloat16* z, float* gram,
                    float* scratch) {
  double* const sums = reinterpret_cast<double*>(scratch);
  BFloat16Pair* const packed = reinterpret_cast<BFloat16Pair*>(sums + width * width);
  for (int64_t i = 0; i < width * width; ++i) sums[i] = 0;
  for (int64_t first = 0; first < rows; first += kGramRows) {
    const int64_t count = Least(kGramRows, rows - first);
    for (int64_t c = 0; c < width; c += kPairColumns) {
      const int64_t panel = c / kPairColumns;
      PackPairs<BFloat16>(count, width, panel, z + first * units, units, nullptr,
                          packed + panel * kPairPanel);
    }
    for (int64_t i = 0; i < width; i += kPairColumns) {
      for (int64_t j = 0; j < width; j += kPairColumns)
        PairTile(count, packed + i / kPairColumns * kPairPanel, packed + j / kPairColumns * kPairPanel,
                 Least(kPairColumns, width - i), width - j, sums + i * width + j, width);
    }
  }
  for (int64_t i = 0; i < width * width; ++i) gram[i] = static_cast<float>(sums[i]);
}
#else
int64_t GramScratch(int64_t width) { return (kGramRows + width) * RoundUp(width); }
#endif

template <typename E>
void ColumnGram(int64_t begin, int64_t width, int64_t rows, int64_t units, const void* z_elements,
                float* gram, float* scratch) {
  const E* z = static_cast<const E*>(z_elements) + begin;
#if KPRUNE_PAIRS
  if constexpr (std::is_same_v<E, BFloat16>) return PairColumnGram(width, rows, units, z, gram, scratch);
#endif
  const int64_t padded = RoundUp(width);
  float* const sums = scratch + kGramRows * padded;
  for (int64_t first = 0; first < rows; first += kGramRows) {
    const int64_t count = Least(kGramRows, rows - first);
    Pack<E>(count, width, padded, z + first * units, units, nullptr, 1.0f, scratch);
    SmallGemm(width, padded, count, {scratch, 1, padded}, scratch, padded, sums, padded, first > 0);
  }
  for (int64_t i = 0; rows == 0 && i < width * padded; ++i) sums[i] = 0;
  Unpack(width, width, padded, sums, 1.0f, gram, width);
}

// V vectors of columns from `c` on of one row.
template <int V>
inline void CombinePanel(int64_t c, int64_t lanes, int64_t count, const float* multiples,
                         const float* vectors, int64_t stride, float* out) {
  Vec sums[V] = {};
  for (int64_t j = 0; j < count; ++j) {
    for (int v = 0; v < V; ++v)
      sums[v] += multiples[j] * LoadUpTo(vectors + j * stride + c + v * kLanes, lanes - v * kLanes);
  }
  for (int v = 0; v < V; ++v) StoreUpTo(out + c + v * kLanes, sums[v], lanes - v * kLanes);
}

void Combine(int64_t begin, int64_t end, int64_t count, int64_t d, const float* multiples,
             const float* vectors, int64_t stride, float* out) {
  for (int64_t t = begin; t < end; ++t) {
    int64_t c = 0;
    for (; c + kPanel <= d; c += kPanel)
      CombinePanel<4>(c, kPanel, count, multiples + t * count, vectors, stride, out + t * d);
    for (; c < d; c += kLanes)
      CombinePanel<1>(c, d - c, count, multiples + t * count, vectors, stride, out + t * d);
  }
}

#if defined(__AVX512BF16__)
constexpr bool kFastBFloat16 = true;
#else
constexpr bool kFastBFloat16 = false;
#endif
#if defined(__AMX_BF16__)
constexpr int64_t kRowsTogether = kSquare;
#else
constexpr int64_t kRowsTogether = kTileRows;
#endif

int64_t ProductScratch(int64_t inner) {
#if defined(__AMX_BF16__)
  return TileScratch(inner);
#elif defined(__AVX512FP16__)
  return HalfScratch(inner);
#else
  return VectorScratch(inner);
#endif
}

template <typename E, bool kGelu>
void ProductInto(const Results<E, kGelu>& to, const ProductShape& shape, const ProductBlock& block,
                 const void* a, const float* packed, float* scratch) {
  const E* const rows = static_cast<const E*>(a);
#if defined(__AMX_BF16__)
  if constexpr (std::is_same_v<E, BFloat16>) return TileProduct(shape, block, rows, packed, to, scratch);
#elif defined(__AVX512FP16__)
  if constexpr (std::is_same_v<E, BFloat16>) return HalfProduct(shape, block, rows, packed, to, scratch);
#endif
  VectorProduct(shape, block, rows, packed, to, scratch);
}

template <typename E>
void Product(const ProductShape& shape, const ProductBlock& block, const void* a, const float* packed,
             void* c, const GeluEpilogue* gelu, float* scratch) {
  E* const out = static_cast<E*>(c);
  if (gelu == nullptr) {
    const Results<E, false> to = {out, nullptr, nullptr, nullptr, shape.c_stride};
    return ProductInto(to, shape, block, a, packed, scratch);
  }
  const Results<E, true> to = {out, static_cast<const E*>(gelu->bias), static_cast<E*>(gelu->derivative),
                               gelu->squares, shape.c_stride};
  ProductInto(to, shape, block, a, packed, scratch);
}

template <typename E>
constexpr TypedKernels Typed() {
  TypedKernels kernels = {
      Gelu<E>,          AddBranch<E>,  AddNorm<E>,   NormBackward<E>,      SegmentDot<E>,
      ColumnSquares<E>, ColumnGram<E>, Attention<E>, AttentionBackward<E>, FirstQueryBackward<E>,
      PackedPanel<E>,   PackPanels<E>, Product<E>};
#if defined(__AVX512FP16__)
  if constexpr (std::is_same_v<E, BFloat16>) {
    kernels.packed_panel = PackedHalfPanel;
    kernels.pack = PackHalfPanels;
  }
#endif
  return kernels;
}

}  // namespace

namespace kprune {

const Kernels& KPRUNE_KERNELS();

const Kernels& KPRUNE_KERNELS() {
  static constexpr Kernels kKernels = {
      KPRUNE_KERNELS_NAME, Typed<float>(), Typed<BFloat16>(), AttentionScratch,
      GramScratch,         Combine,        Residual,          kGramKernels<double>,
      kGramKernels<float>, kFastBFloat16,  kPairGramKernels,  kPanelColumns,
      kRowsTogether,       ProductScratch};
  return kKernels;
}

}  // namespace kprune
