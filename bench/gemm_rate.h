// What plain matrix products reach on this machine at a model's own shapes: the limit that a measurement is
// held against.
#ifndef KPRUNE_BENCH_GEMM_RATE_H_
#define KPRUNE_BENCH_GEMM_RATE_H_

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>

namespace kprune {

struct GemmRate {
  double flops_per_second = 0;
  // Of the product [rows, inner] x [inner, columns] that reached it.
  int64_t rows = 0, inner = 0, columns = 0;
};

// The best of the engine's own choice, at::mm and oneDNN over [T, d] x [d, m], [T, m] x [m, d] and [T,
// d] x [d, 3d] with d = `hidden`, m = `intermediate` and T = 256, 1024 and 4096, on a GPU also 16384. Each
// shape is timed three times, in turns, for at least `seconds` each, after one product for warm-up. Uses the
// current number of threads.
GemmRate MeasureBestGemmRate(int64_t hidden, int64_t intermediate, at::ScalarType type, at::Device device,
                             double seconds);

}  // namespace kprune

#endif  // KPRUNE_BENCH_GEMM_RATE_H_
