// Products of bfloat16 by processors that multiply float16 twice as fast as float32. For vector_kernels.cc
// alone.
//
// float16 has three more digits than bfloat16 but a small range: every row of A and every column of B is
// scaled by a power of two on the way, so that the exponent of its largest element is known. Elements are
// multiplied two at a time, each into a sum of its own; sums are float16 for some steps of the inner
// dimension only, and float32 beyond.
#ifndef KPRUNE_ENGINE_KERNELS_HALF_PRODUCT_H_
#define KPRUNE_ENGINE_KERNELS_HALF_PRODUCT_H_

#include "engine/kernels/product.h"
#include "engine/kernels/vector_types.h"

#if defined(__AVX512FP16__)

namespace {

// Steps, of two elements each, whose sum is float16. Its rounding is then about that of results which become
// bfloat16; of terms that are all equal, three times that.
constexpr int64_t kHalfSteps = 96;
// The largest element of a row or column is 2^kLargest to twice that: as large as the sum of two elements' so
// many products allows. Elements that are 2^17 times smaller still keep all their digits.
constexpr uint32_t kLargest = 3;
static_assert(2 * kHalfSteps * (2 << kLargest) * (2 << kLargest) <= 65504, "the largest float16");

// The bits of bfloat16 or float16.
typedef uint16_t Shorts __attribute__((vector_size(KPRUNE_LANES * 4)));
constexpr int64_t kShorts = 2 * kLanes;
constexpr __mmask32 kAllShorts = 0xffffffff;
constexpr uint16_t kMagnitude = 0x7fff;

// The first `count` of a vector, zeros beyond.
inline Shorts LoadShorts(const BFloat16* from, int64_t count) {
  const __mmask32 exist = count >= kShorts ? kAllShorts : count > 0 ? (1U << count) - 1 : 0;
  return reinterpret_cast<Shorts>(_mm512_maskz_loadu_epi16(exist, from));
}

// One half of a vector, each element in 32 bits.
inline BitVec Widened(Shorts x, int half) {
  const __m512i all = reinterpret_cast<__m512i>(x);
  const __m256i part = half == 0 ? _mm512_maskz_extracti64x4_epi64(0xff, all, 0)
                                 : _mm512_maskz_extracti64x4_epi64(0xff, all, 1);
  return Widened(reinterpret_cast<HalfVec>(part));
}

// What is subtracted from the exponents of rows or columns, and what their products are multiplied by in
// turn: not a number where elements are not finite.
struct Scales {
  BitVec less;
  Vec back;
};

// Given the bits of the largest magnitudes.
inline Scales ScalesFor(BitVec largest) {
  constexpr uint32_t kHalfBias = 15, kFloatBias = 127, kNotFinite = 255;
  const BitVec biased = largest >> 7, wanted = (kHalfBias + kLargest) | BitVec{};
  const BitVec less = biased > wanted ? biased - wanted : BitVec{};
  const BitVec back = (less + kHalfBias) << 23;
  static_assert(2 * kHalfBias + 1 < kFloatBias, "no exponent of a float is left");
  return {less, reinterpret_cast<Vec>(biased == kNotFinite ? kNotFinite << 23 | 1 | BitVec{} : back)};
}

// bfloat16 as float16 with smaller exponents. What is below float16's normal numbers becomes smaller still,
// or zero.
inline Shorts ToHalf(Shorts x, Shorts less) {
  const __m512i kept = _mm512_maskz_subs_epu16(kAllShorts, reinterpret_cast<__m512i>(x & kMagnitude),
                                               reinterpret_cast<__m512i>(less << 7));
  return (x & static_cast<uint16_t>(~kMagnitude)) | reinterpret_cast<Shorts>(kept) << 3;
}

// Asks for the elements that are `ahead` of these.
inline uint32_t LargestMagnitude(const BFloat16* elements, int64_t count, int64_t ahead = 0) {
  Shorts largest{};
  for (int64_t k = 0; k < count; k += kShorts) {
    __builtin_prefetch(elements + k + ahead);
    largest = Max(largest, LoadShorts(elements + k, count - k) & kMagnitude);
  }
  return Reduce(Max(Widened(largest, 0), Widened(largest, 1)), Max<BitVec>);
}

// Steps over the inner dimension, and floats of a packed panel: [steps, kPanelColumns] pairs of float16,
// those of even columns first, and Scales::back of its columns.
inline int64_t HalfSteps(int64_t inner) { return (inner + 1) / 2; }
inline int64_t PackedHalfPanel(int64_t inner) { return (HalfSteps(inner) + 1) * kPanelColumns; }
static_assert(kPanelColumns == kShorts, "a panel is a vector wide");

// Every second column of a panel of the transposed B, whose columns are contiguous; the first `columns` of
// the panel's exist.
inline void PackHalfColumns(const ProductShape& shape, int64_t columns, const BFloat16* b, uint32_t* packed,
                            float* back) {
  const int64_t steps = HalfSteps(shape.inner);
  constexpr int64_t kColumnsAhead = 8;
  BitVec largest{};
  for (int64_t c = 0; 2 * c < columns && c < kLanes; ++c)
    largest[c] = LargestMagnitude(b + 2 * c * shape.b_stride, shape.inner, kColumnsAhead * shape.b_stride);
  const Scales scales = ScalesFor(largest);
  for (int64_t k = 0; k < steps; k += kLanes) {
    BitVec square[kLanes];
    for (int64_t c = 0; c < kLanes; ++c) {
      const int64_t left = 2 * c < columns ? shape.inner - 2 * k : 0;
      const Shorts less = static_cast<uint16_t>(scales.less[c]) | Shorts{};
      square[c] =
          reinterpret_cast<BitVec>(ToHalf(LoadShorts(b + 2 * c * shape.b_stride + 2 * k, left), less));
    }
    TransposeSquare(square);
    for (int64_t i = 0; i < Least(kLanes, steps - k); ++i)
      StoreWords(packed + (k + i) * kPanelColumns, square[i]);
  }
  for (int64_t c = 0; c < kLanes; ++c) back[2 * c] = scales.back[c];
}

// A panel of B as it is, whose rows are contiguous; `columns` of it exist.
inline void PackHalfRows(const ProductShape& shape, int64_t columns, const BFloat16* b, uint32_t* packed,
                         float* back) {
  Shorts largest{}, less{};
  for (int64_t k = 0; k < shape.inner; ++k)
    largest = Max(largest, LoadShorts(b + k * shape.b_stride, columns) & kMagnitude);
  for (int half = 0; half < 2; ++half) {
    const Scales scales = ScalesFor(Widened(largest, half));
    Store(back + half * kLanes, scales.back);
    for (int64_t c = 0; c < kLanes; ++c) less[half * kLanes + c] = static_cast<uint16_t>(scales.less[c]);
  }
  for (int64_t k = 0; k < shape.inner; k += 2) {
    const BFloat16* const row = b + k * shape.b_stride;
    const int64_t below = k + 1 < shape.inner ? columns : 0;
    const Shorts upper = ToHalf(LoadShorts(row, columns), less);
    const Shorts lower = ToHalf(LoadShorts(row + shape.b_stride, below), less);
    const auto first = reinterpret_cast<BitVec>(upper), second = reinterpret_cast<BitVec>(lower);
    StoreWords(packed + k / 2 * kPanelColumns, (first & 0xffff) | second << 16);
    StoreWords(packed + k / 2 * kPanelColumns + kLanes, first >> 16 | (second & 0xffff0000));
  }
}

inline void PackHalfPanels(const ProductShape& shape, int64_t first, int64_t end, const void* elements,
                           float* to) {
  for (int64_t panel = first; panel < end; ++panel, to += PackedHalfPanel(shape.inner)) {
    const BFloat16* const b = static_cast<const BFloat16*>(elements);
    uint32_t* const packed = reinterpret_cast<uint32_t*>(to);
    float* const back = to + HalfSteps(shape.inner) * kPanelColumns;
    const int64_t column = panel * kPanelColumns, columns = shape.columns - column;
    if (!shape.b_transposed) {
      PackHalfRows(shape, columns, b + column, packed, back);
      continue;
    }
    for (int64_t odd = 0; odd < 2; ++odd) {
      const BFloat16* const here = b + (column + odd) * shape.b_stride;
      PackHalfColumns(shape, columns - odd, here, packed + odd * kLanes, back + odd);
    }
  }
}

// Some rows of A: [rows, steps] pairs of float16, and Scales::back of each.
struct HalfRows {
  uint32_t* pairs;
  float* back;
};

inline void ConvertRows(const BFloat16* a, int64_t stride, int64_t rows, int64_t inner, const HalfRows& to) {
  const int64_t steps = HalfSteps(inner);
  for (int64_t r = 0; r < rows; ++r) {
    const BFloat16* const row = a + r * stride;
    const Scales scales = ScalesFor(LargestMagnitude(row, inner) | BitVec{});
    to.back[r] = scales.back[0];
    const Shorts less = static_cast<uint16_t>(scales.less[0]) | Shorts{};
    for (int64_t k = 0; k < steps; k += kLanes) {
      const Shorts halves = ToHalf(LoadShorts(row + 2 * k, inner - 2 * k), less);
      const auto exist = static_cast<__mmask16>(steps - k >= kLanes ? kAllLanes : (1U << (steps - k)) - 1);
      _mm512_mask_storeu_epi32(to.pairs + r * steps + k, exist, reinterpret_cast<__m512i>(halves));
    }
  }
}

// Of a panel: pairs of its even columns and of its odd ones, each with a sum in either half.
struct HalfSums {
  __m512h even, odd;
};

// The sums of a panel's columns, in their order, as float32.
struct FloatSums {
  Vec left, right;
};

inline FloatSums SumsOfPairs(const HalfSums& pairs) {
  constexpr __mmask32 kUpperHalves = 0xaaaaaaaa;
  const auto even = reinterpret_cast<__m512i>(pairs.even), odd = reinterpret_cast<__m512i>(pairs.odd);
  const __m512i outer = _mm512_mask_blend_epi16(kUpperHalves, even, odd);
  const __m512i inner =
      _mm512_maskz_rol_epi32(kAllLanes, _mm512_mask_blend_epi16(kUpperHalves, odd, even), 16);
  const auto sums = reinterpret_cast<__m512i>(
      _mm512_add_ph(reinterpret_cast<__m512h>(outer), reinterpret_cast<__m512h>(inner)));
  const auto wide = [](__m256i half) { return _mm512_maskz_cvtph_ps(kAllLanes, half); };
  return {wide(_mm512_maskz_extracti64x4_epi64(0xff, sums, 0)),
          wide(_mm512_maskz_extracti64x4_epi64(0xff, sums, 1))};
}

// A part of the inner dimension for which rows of A stay in the first cache while panels pass by, and the
// most panels that pass by before the next part and the next rows.
constexpr int64_t kStepsTogether = 384, kPanelsTogether = 36;

struct Steps {
  int64_t begin, end, all;
};

// sums [R, kPanelColumns] = R rows of A times some steps of a packed panel, as both are scaled; added to the
// sums of the steps before.
template <int R>
inline void HalfTile(const Steps& steps, const uint32_t* a, const uint32_t* packed, float* sums) {
  for (int64_t first = steps.begin; first < steps.end; first += kHalfSteps) {
    HalfSums pairs[R];
    for (int r = 0; r < R; ++r) pairs[r] = {_mm512_setzero_ph(), _mm512_setzero_ph()};
    const int64_t end = Least(first + kHalfSteps, steps.end);
    for (int64_t k = first; k < end; ++k) {
      const auto even = reinterpret_cast<__m512h>(Load(packed + k * kPanelColumns));
      const auto odd = reinterpret_cast<__m512h>(Load(packed + k * kPanelColumns + kLanes));
      for (int r = 0; r < R; ++r) {
        const auto row = reinterpret_cast<__m512h>(a[r * steps.all + k] | BitVec{});
        pairs[r].even = _mm512_fmadd_ph(row, even, pairs[r].even);
        pairs[r].odd = _mm512_fmadd_ph(row, odd, pairs[r].odd);
      }
    }
    for (int r = 0; r < R; ++r) {
      float* const to = sums + r * kPanelColumns;
      const FloatSums more = SumsOfPairs(pairs[r]);
      Store(to, first == 0 ? more.left : Load(to) + more.left);
      Store(to + kLanes, first == 0 ? more.right : Load(to + kLanes) + more.right);
    }
  }
}

constexpr int64_t kTileSums = kTileRows * kPanelColumns;

// What HalfProduct works in: sums of tiles, HalfRows::back, the rows.
inline int64_t HalfScratch(int64_t inner) {
  static_assert(kTileRows <= kLanes);
  return kPanelsTogether * kTileSums + kLanes + kTileRows * HalfSteps(inner);
}

// Rows of A on their way into the second cache, some lines before each tile of the rows above them: they are
// read but once, and a processor that waits for memory multiplies nothing.
class RowsAhead {
 public:
  RowsAhead(const BFloat16* a, int64_t stride, int64_t rows, int64_t inner, int64_t tiles)
      : row_(a),
        stride_(stride),
        rows_(rows),
        inner_(inner),
        lines_(rows * Lines() / (tiles > 0 ? tiles : 1) + 1) {}

  void BeforeTile() {
    for (int64_t i = 0; i < lines_ && rows_ > 0; ++i) {
      _mm_prefetch(reinterpret_cast<const char*>(row_ + at_), _MM_HINT_T1);
      at_ += kShorts;
      if (at_ < inner_) continue;
      at_ = 0;
      row_ += stride_;
      --rows_;
    }
  }

 private:
  int64_t Lines() const { return (inner_ + kShorts - 1) / kShorts; }

  const BFloat16* row_;
  const int64_t stride_;
  int64_t rows_;
  const int64_t inner_, lines_;
  int64_t at_ = 0;
};

template <bool kGelu>
void HalfProduct(const ProductShape& shape, const ProductBlock& block, const BFloat16* a, const float* packed,
                 const Results<BFloat16, kGelu>& to, float* scratch) {
  const int64_t steps = HalfSteps(shape.inner), panel_size = PackedHalfPanel(shape.inner);
  float *const sums = scratch, *const back = sums + kPanelsTogether * kTileSums;
  const HalfRows half_rows{reinterpret_cast<uint32_t*>(back + kLanes), back};
  const auto put = [&](int64_t i, int64_t rows, int64_t panel, const float* tile, const float* of_columns) {
    if ((panel + 1) * kPanelColumns <= shape.columns) {  // whole lines of the cache
      const Results<BFloat16, kGelu> here = to.At(i, panel * kPanelColumns);
      const Vec left_shift = here.Bias(0, kLanes), right_shift = here.Bias(kLanes, kLanes);
      const Vec left_scale = Load(of_columns), right_scale = Load(of_columns + kLanes);
      Vec left_squares{}, right_squares{};
      for (int64_t r = 0; r < rows; ++r) {
        const float* const of_row = tile + r * kPanelColumns;
        here.PutPair(r, Load(of_row) * back[r] * left_scale, Load(of_row + kLanes) * back[r] * right_scale,
                     left_shift, right_shift, left_squares, right_squares);
      }
      here.AddSquares(0, left_squares, kLanes);
      return here.AddSquares(kLanes, right_squares, kLanes);
    }
    for (int64_t c = 0; c < kPanelColumns; c += kLanes) {
      const int64_t column = panel * kPanelColumns + c, lanes = shape.columns - column;
      if (lanes <= 0) return;
      const Results<BFloat16, kGelu> here = to.At(i, column);
      const Vec shift = here.Bias(0, lanes), scale = Load(of_columns + c);
      for (int64_t r = 0; r < rows; ++r)
        here.Put(r, 0, Load(tile + r * kPanelColumns + c) * back[r] * scale, shift, lanes);
    }
  };
  for (int64_t i = 0; steps == 0 && i < kPanelsTogether * kTileSums; ++i) sums[i] = 0;
  // Groups are equally large: rows are converted for each of them.
  const int64_t panels = block.end_panel - block.first_panel;
  const int64_t groups = (panels + kPanelsTogether - 1) / kPanelsTogether;
  for (int64_t group = 0; group < groups; ++group) {
    const int64_t first = block.first_panel + panels * group / groups;
    const int64_t end = block.first_panel + panels * (group + 1) / groups;
    for (int64_t i = block.first_row; i < block.end_row; i += kTileRows) {
      const int64_t rows = Least(kTileRows, block.end_row - i);
      ConvertRows(a + i * shape.a_stride, shape.a_stride, rows, shape.inner, half_rows);
      const int64_t next = i + rows;
      RowsAhead ahead(a + next * shape.a_stride, shape.a_stride, Least(kTileRows, block.end_row - next),
                      shape.inner, (end - first) * ((steps + kStepsTogether - 1) / kStepsTogether));
      int64_t step = 0;
      do {
        const Steps part{step, Least(step + kStepsTogether, steps), steps};
        for (int64_t panel = first; panel < end; ++panel) {
          const float* const of_b = packed + (panel - block.first_panel) * panel_size;
          float* const tile = sums + (panel - first) * kTileSums;
          ahead.BeforeTile();
          WithRows<kTileRows>(rows, [&](auto count) {
            HalfTile<count>(part, half_rows.pairs, reinterpret_cast<const uint32_t*>(of_b), tile);
          });
          if (part.end == steps) put(i, rows, panel, tile, of_b + steps * kPanelColumns);
        }
        step = part.end;
      } while (step < steps);
    }
  }
}

}  // namespace

#endif  // __AVX512FP16__

#endif  // KPRUNE_ENGINE_KERNELS_HALF_PRODUCT_H_
