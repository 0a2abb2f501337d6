// Products of small matrices that stay in the first two caches: attention within one head of one sequence.
// For vector_kernels.cc alone.
#ifndef KPRUNE_ENGINE_KERNELS_SMALL_GEMM_H_
#define KPRUNE_ENGINE_KERNELS_SMALL_GEMM_H_

#include "engine/kernels/vector_types.h"

namespace {

// A float matrix seen through strides: at(i, k) = data[i * row + k * column]; transposing it is free.
struct Strided {
  const float* data;
  int64_t row;
  int64_t column;
};

// R rows and V vectors of columns of the product, held in registers over all of K.
template <int R, int V>
inline void Tile(int64_t K, const Strided& a, const float* b, int64_t ldb, float* c, int64_t ldc,
                 bool accumulate) {
  Vec sums[R][V];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) sums[r][v] = accumulate ? Load(c + r * ldc + v * kLanes) : Vec{};
  }
  for (int64_t k = 0; k < K; ++k) {
    Vec columns[V];
    for (int v = 0; v < V; ++v) columns[v] = Load(b + k * ldb + v * kLanes);
    for (int r = 0; r < R; ++r) {
      const float factor = a.data[r * a.row + k * a.column];
      for (int v = 0; v < V; ++v) sums[r][v] += factor * columns[v];
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) Store(c + r * ldc + v * kLanes, sums[r][v]);
  }
}

template <int V>
inline void Panel(int64_t M, int64_t K, const Strided& a, const float* b, int64_t ldb, float* c, int64_t ldc,
                  bool accumulate) {
  int64_t i = 0;
  const auto rows = [&] { return Strided{a.data + i * a.row, a.row, a.column}; };
  for (; i + 6 <= M; i += 6) Tile<6, V>(K, rows(), b, ldb, c + i * ldc, ldc, accumulate);
  switch (M - i) {
    case 1:
      return Tile<1, V>(K, rows(), b, ldb, c + i * ldc, ldc, accumulate);
    case 2:
      return Tile<2, V>(K, rows(), b, ldb, c + i * ldc, ldc, accumulate);
    case 3:
      return Tile<3, V>(K, rows(), b, ldb, c + i * ldc, ldc, accumulate);
    case 4:
      return Tile<4, V>(K, rows(), b, ldb, c + i * ldc, ldc, accumulate);
    case 5:
      return Tile<5, V>(K, rows(), b, ldb, c + i * ldc, ldc, accumulate);
    default:
      return;
  }
}

// C [M, N] = (accumulate ? C : 0) + A [M, K] B [K, N]. N is a multiple of kLanes.
inline void SmallGemm(int64_t M, int64_t N, int64_t K, const Strided& a, const float* b, int64_t ldb,
                      float* c, int64_t ldc, bool accumulate) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= N; j += 2 * kLanes) Panel<2>(M, K, a, b + j, ldb, c + j, ldc, accumulate);
  if (j < N) Panel<1>(M, K, a, b + j, ldb, c + j, ldc, accumulate);
}

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_SMALL_GEMM_H_
