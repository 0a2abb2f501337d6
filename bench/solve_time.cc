#include "bench/solve_time.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <chrono>

#include "engine/pruning/solve.h"

namespace kprune {

double MeasureSolveSeconds(int64_t width, int64_t hidden, at::Device device) {
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
  const auto normal = [&](int64_t columns) {
    return at::randn({2 * width, columns}, random, at::TensorOptions(at::kDouble)).to(device);
  };
  const at::Tensor z = normal(width), r = normal(hidden);
  const NormalEquations equations{z.t().mm(z), z.t().mm(r), r.square().sum().item<double>()};
  const at::Tensor current = at::zeros_like(equations.cross_Ud);
  double best = 1e9;
  for (int i = 0; i < 6; ++i) {
    const auto start = std::chrono::steady_clock::now();
    SolveLeastSquares(equations, current).weights_Ud.select(0, 0).to(at::kCPU);  // the copy waits for a
                                                                                 // device
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (i > 0) best = std::min(best, seconds);
  }
  return best;
}

}  // namespace kprune
