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

#if defined(__AVX512F__)
// Of cubic polynomials for Phi(x) - 1/2 from x = 0 on, each around a multiple of kGeluSpacing: their
// coefficients, from that of 1 to that of x^3. Least squares of Phi and, with a quarter of the weight, of its
// derivative; the last is for all that lies beyond.
constexpr float kGeluSpacing = 0.3f;
alignas(64) constexpr float kGeluPolynomials[4][16] = {
    {0.0f, 0.117908835f, 0.225742772f, 0.315935791f, 0.384927481f, 0.433191657f, 0.464069933f, 0.482136577f,
     0.491803616f, 0.49653396f, 0.49865073f, 0.499516934f, 0.499841064f, 0.499951988f, 0.499986678f, 0.5f},
    {0.398939162f, 0.381385356f, 0.33322376f, 0.266086072f, 0.194187865f, 0.129519433f, 0.0789513886f,
     0.0439840592f, 0.0223944392f, 0.0104205981f, 0.00443150103f, 0.00172231498f, 0.000611752097f,
     0.000198580616f, 5.8910653e-05f, 0.0f},
    {0.0f, -0.0567447282f, -0.0992323533f, -0.119007409f, -0.116004162f, -0.0969338492f, -0.0711015537f,
     -0.0463637114f, -0.0270801913f, -0.0142368618f, -0.00675941817f, -0.00290513365f, -0.00113225495f,
     -0.000400700781f, -0.000128896674f, 0.0f},
    {-0.0661180764f, -0.057550896f, -0.0354431495f, -0.00852532778f, 0.01402504f, 0.0267636012f,
     0.0293283984f, 0.0249420423f, 0.0177773293f, 0.0109647447f, 0.00595054263f, 0.00286961161f,
     0.00123755785f, 0.000479386916f, 0.000167322811f, 0.0f}};

// For results that become bfloat16: Phi within 7e-6, its derivative within 8e-5.
inline Activated ShortGeluOf(Vec x) {
  const BitVec sign = reinterpret_cast<BitVec>(x) & 0x80000000;
  constexpr int kLesserMagnitude = 0b1010;
  const Vec magnitude = _mm512_maskz_range_ps(kAllLanes, x, Splat(15.3f * kGeluSpacing), kLesserMagnitude);
  const Vec shift = Splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer, in the lowest bits
  const Vec nearest = magnitude * (1 / kGeluSpacing) + shift;
  const Vec r = magnitude - (nearest - shift) * kGeluSpacing;
  const auto coefficient = [&](int power) -> Vec {
    return _mm512_maskz_permutexvar_ps(kAllLanes, reinterpret_cast<__m512i>(nearest),
                                       Load(kGeluPolynomials[power]));
  };
  const Vec c1 = coefficient(1), c2 = coefficient(2), c3r = coefficient(3) * r;
  const Vec half = ((c3r + c2) * r + c1) * r + coefficient(0);
  const Vec phi = reinterpret_cast<Vec>(reinterpret_cast<BitVec>(half) | sign) + 0.5f;
  const Vec density = (c3r * 3.0f + c2 * 2.0f) * r + c1;
  return {x * phi, phi + x * density};
}
#endif

// What elements of type E hold of it.
template <typename E>
inline Activated GeluAs(Vec x) {
#if defined(__AVX512F__)
  if constexpr (sizeof(E) < sizeof(float)) return ShortGeluOf(x);
#endif
  return GeluOf(x);
}

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_ACTIVATION_H_
