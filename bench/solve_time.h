// How long the least squares of one sublayer takes, the paper's own figure.
#ifndef KPRUNE_BENCH_SOLVE_TIME_H_
#define KPRUNE_BENCH_SOLVE_TIME_H_

#include <c10/core/Device.h>

#include <cstdint>

namespace kprune {

// Seconds of SolveLeastSquares for `width` unknowns and `hidden` right-hand sides, well conditioned: the best
// of five, after one for warm-up. Uses the current number of threads.
double MeasureSolveSeconds(int64_t width, int64_t hidden, at::Device device);

}  // namespace kprune

#endif  // KPRUNE_BENCH_SOLVE_TIME_H_
