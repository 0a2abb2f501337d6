// The matrix tiles of a processor (AMX): registers of 16 rows of 64 bytes, and products of bfloat16 in them.
// For vector_kernels.cc alone.
#ifndef KPRUNE_ENGINE_KERNELS_MATRIX_TILES_H_
#define KPRUNE_ENGINE_KERNELS_MATRIX_TILES_H_

#include "engine/kernels/vector_types.h"

#if defined(__AMX_BF16__)

namespace {

constexpr int64_t kTileSide = 16;  // rows of a tile, and its columns as floats or pairs of bfloat16
constexpr int64_t kTileDepth = 2 * kTileSide;  // bfloat16 of the inner dimension in one tile
constexpr int64_t kSquare = 2 * kTileSide;     // rows and columns of two by two tiles of sums

// Everything behind `p` is written by now: GCC's definitions do not say that they read it.
inline void SeeMemory(const void* p) { asm volatile("" : : "r"(p) : "memory"); }

// Whole tiles, while it lives.
class TileRegisters {
 public:
  TileRegisters() {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    for (int i = 0; i < 8; ++i) {
      config.row_bytes[i] = 4 * kTileSide;
      config.rows[i] = kTileSide;
    }
    SeeMemory(&config);
    _tile_loadconfig(&config);
  }
  ~TileRegisters() { _tile_release(); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

// Fetches cache lines that begin `bytes` behind p, whether or not they are of what p points into.
template <int kLines>
inline void Prefetch(const void* p, uintptr_t bytes) {
#pragma GCC unroll 32
  for (uintptr_t i = 0; i < kLines; ++i)
    __builtin_prefetch(reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(p) + bytes + i * 64));
}

// sums [kSquare, kSquare] = a b. Of every step over the inner dimension `a` has two tiles, the upper rows and
// the lower, one after the other; `b` has kTileSide rows of kSquare pairs. between(k) is called in step k:
// what it computes in other registers takes place while the tiles are multiplied.
template <typename Between>
inline void SquareOfTiles(int64_t steps, const BFloat16* a, const uint32_t* b, float* sums,
                          const Between& between) {
  constexpr int64_t kSizeOfA = kSquare * kTileDepth, kSizeOfB = kTileSide * kSquare, kFirstCache = 32 << 10;
  constexpr int kStride = kSquare * 4, kStrideOfA = kTileDepth * 2;
  constexpr int64_t kAhead = 2;  // steps: what lies in the second cache takes so long
  constexpr int kLinesOfA = kSizeOfA * 2 / 64, kLinesOfB = kSizeOfB * 4 / 64;
  const bool far = steps * kSizeOfA * 2 > kFirstCache;
  SeeMemory(a);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t k = 0; k < steps; ++k, a += kSizeOfA, b += kSizeOfB) {
    Prefetch<kLinesOfB>(b, kAhead * kLinesOfB * 64);
    if (far) Prefetch<kLinesOfA>(a, kAhead * kLinesOfA * 64);
    _tile_loadd(4, a, kStrideOfA);
    _tile_loadd(6, b, kStride);
    _tile_loadd(7, b + kTileSide, kStride);
    _tile_loadd(5, a + kSizeOfA / 2, kStrideOfA);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
    between(k);
  }
  _tile_stored(0, sums, kStride);
  _tile_stored(1, sums + kTileSide, kStride);
  _tile_stored(2, sums + kTileSide * kSquare, kStride);
  _tile_stored(3, sums + kTileSide * kSquare + kTileSide, kStride);
}

}  // namespace

#endif  // __AMX_BF16__

#endif  // KPRUNE_ENGINE_KERNELS_MATRIX_TILES_H_
