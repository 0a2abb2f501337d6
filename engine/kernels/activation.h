// Activation functions and their derivatives, a vector at a time. For vector_kernels.cc alone.
#ifndef KPRUNE_ENGINE_KERNELS_ACTIVATION_H_
#define KPRUNE_ENGINE_KERNELS_ACTIVATION_H_

#include "engine/kernels/vector_types.h"

namespace {

struct Activated {
  Vec value, derivative;
};

// x Phi(x), with Phi within 1e-7 of the normal distribution function (Abramowitz and Stegun, 7.1.26).
inline Activated GeluOf(Vec x) {
  // Beyond 100 nothing changes; an infinite x stays out of the reciprocal.
  const Vec magnitude = Min((x < 0 ? -x : x) * 0.70710678118654752f, Splat(100.0f));
  const Vec t = Reciprocal(1.0f + 0.3275911f * magnitude);
  // exp(-x^2 / 2), no smaller than what keeps all that follows clear of denormal numbers, which are slow.
  const Vec gauss = ExpInRange(Max(-magnitude * magnitude, Splat(-80.0f)));
  Vec p = Splat(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const Vec tail = 0.5f * (p * t) * gauss;  // of the normal distribution beyond |x|
  const Vec phi = x < 0 ? tail : 1.0f - tail;
  return {x * phi, phi + x * (0.39894228040143268f * gauss)};
}

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_ACTIVATION_H_
