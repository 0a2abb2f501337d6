// Products of bfloat16 by matrix tiles. For vector_kernels.cc alone.
//
// Rows of A are first copied next to each other, zeros beyond the last row and element: tiles then load whole
// cache lines one after another, and no product has a remainder.
#ifndef KPRUNE_ENGINE_KERNELS_TILE_PRODUCT_H_
#define KPRUNE_ENGINE_KERNELS_TILE_PRODUCT_H_

#include "engine/kernels/matrix_tiles.h"
#include "engine/kernels/product.h"
#include "engine/kernels/vector_types.h"

#if defined(__AMX_BF16__)

namespace {

static_assert(kPanelColumns == kSquare, "a panel is two tiles wide");

inline int64_t TileSteps(int64_t inner) { return (inner + kTileDepth - 1) / kTileDepth; }

// to [steps, kSquare, kTileDepth] = rows of A.
inline void PackRows(const BFloat16* a, int64_t stride, int64_t rows, int64_t inner, BFloat16* to) {
  constexpr int64_t kTogether = 8;  // steps: several cache lines of a row
  const int64_t steps = TileSteps(inner), whole = inner / kTileDepth;
  for (int64_t first = 0; first < steps; first += kTogether) {
    const int64_t end = Least(first + kTogether, steps);
    for (int64_t r = 0; r < kSquare; ++r) {
      for (int64_t k = first; k < end; ++k) {
        BFloat16* const row = to + (k * kSquare + r) * kTileDepth;
        const BFloat16* const from = a + r * stride + k * kTileDepth;
        if (r < rows && k < whole) {
          StoreWords(row, LoadWords(from));
          continue;
        }
        StoreWords(row, BitVec{});
        for (int64_t c = 0; r < rows && c < inner - k * kTileDepth; ++c) row[c] = from[c];
      }
    }
  }
}

// Sums of kSquare rows and a panel's columns that are still to be put where they belong.
template <bool kGelu>
struct Pending {
  const float* sums;
  Results<BFloat16, kGelu> to;
  int64_t rows, columns;

  // Rows first .. end - 1.
  void Put(int64_t first, int64_t end) const {
    for (int64_t column = 0; column < kPanelColumns; column += kLanes) {
      const int64_t lanes = columns - column;
      if (lanes <= 0) return;
      const Vec shift = to.Bias(column, lanes);
      for (int64_t r = first; r < end; ++r)
        to.Put(r, column, Load(sums + r * kPanelColumns + column), shift, lanes);
    }
  }
};

// What TileProduct works in.
inline int64_t TileScratch(int64_t inner) {
  return 2 * kSquare * kSquare + TileSteps(inner) * kSquare * kTileDepth / 2;
}

template <bool kGelu>
void TileProduct(const ProductShape& shape, const ProductBlock& block, const BFloat16* a, const float* packed,
                 const Results<BFloat16, kGelu>& to, float* scratch) {
  const int64_t panels = block.end_panel - block.first_panel;
  if (panels <= 0) return;
  const TileRegisters registers;
  const int64_t steps = TileSteps(shape.inner);
  float *sums = scratch, *other_sums = scratch + kSquare * kSquare;
  BFloat16* const rows_of_a = reinterpret_cast<BFloat16*>(scratch + 2 * kSquare * kSquare);
  // The rows that come next are fetched meanwhile, some with every tile.
  const int64_t each = (kSquare + panels - 1) / panels;
  int64_t fetched = 0;
  const auto pack_rows = [&](int64_t i, int64_t rows) {
    PackRows(a + i * shape.a_stride, shape.a_stride, rows, shape.inner, rows_of_a);
    fetched = i + kSquare;
  };
  Pending<kGelu> last{nullptr, to, 0, 0};
  const auto tile = [&](int64_t i, int64_t rows, int64_t panel, const float* packed_panel) {
    const uint32_t* const panel_of_b = reinterpret_cast<const uint32_t*>(packed_panel);
    const int64_t end = Least(Least(fetched + each, i + 2 * kSquare), block.end_row);
    for (; fetched < end; ++fetched) {
      constexpr int kForReading = 0, kIntoSecondCache = 2;
      for (int64_t k = 0; k < steps; ++k)
        __builtin_prefetch(a + fetched * shape.a_stride + k * kTileDepth, kForReading, kIntoSecondCache);
    }
    // The sums before these are put meanwhile, some rows with every step.
    const int64_t rows_each = (last.rows + steps - 1) / (steps > 0 ? steps : 1);
    SquareOfTiles(steps, rows_of_a, panel_of_b, sums, [&](int64_t k) {
      last.Put(Least(k * rows_each, last.rows), Least((k + 1) * rows_each, last.rows));
    });
    if (steps == 0) last.Put(0, last.rows);
    const int64_t column = panel * kPanelColumns;
    last = {sums, to.At(i, column), rows, shape.columns - column};
    float* const put = other_sums;
    other_sums = sums;
    sums = put;
  };
  ForEachTile<kSquare>(block, packed, PackedPanel<BFloat16>(shape.inner), pack_rows, tile);
  last.Put(0, last.rows);
}

}  // namespace

#endif  // __AMX_BF16__

#endif  // KPRUNE_ENGINE_KERNELS_TILE_PRODUCT_H_
