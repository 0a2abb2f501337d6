// Vectors of floats of the widest kind that the instruction set of this translation unit has, and how
// elements are loaded into them. For vector_kernels.cc alone: everything here has internal linkage, since the
// same names are compiled for several instruction sets.
#ifndef KPRUNE_ENGINE_KERNELS_VECTOR_TYPES_H_
#define KPRUNE_ENGINE_KERNELS_VECTOR_TYPES_H_

#include <cstdint>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

// Whether bfloat16 is multiplied in pairs: not where float16 is faster.
#if defined(__AVX512BF16__) && !defined(__AVX512FP16__)
#define KPRUNE_PAIRS 1
#else
#define KPRUNE_PAIRS 0
#endif

namespace {

#if defined(__AVX512F__)
#define KPRUNE_LANES 16
#elif defined(__AVX2__)
#define KPRUNE_LANES 8
#else
#define KPRUNE_LANES 4
#endif
constexpr int64_t kLanes = KPRUNE_LANES;

typedef float Vec __attribute__((vector_size(KPRUNE_LANES * 4)));
typedef int32_t IntVec __attribute__((vector_size(KPRUNE_LANES * 4)));
typedef uint32_t BitVec __attribute__((vector_size(KPRUNE_LANES * 4)));
typedef uint16_t HalfVec __attribute__((vector_size(KPRUNE_LANES * 2)));
typedef Vec UnalignedVec __attribute__((aligned(4), may_alias));
typedef HalfVec UnalignedHalfVec __attribute__((aligned(2), may_alias));
typedef BitVec UnalignedBitVec __attribute__((aligned(1), may_alias));

struct BFloat16 {
  uint16_t bits;
};

#if defined(__AVX512F__)
// With a mask of all lanes: GCC 12 warns of the others' own definitions.
constexpr __mmask16 kAllLanes = 0xffff;
#endif

// Each element in 32 bits, with zeros above.
inline BitVec Widened(HalfVec half) {
#if defined(__AVX512F__)  // GCC 12 makes two conversions and an insertion of it
  return reinterpret_cast<BitVec>(_mm512_maskz_cvtepu16_epi32(kAllLanes, reinterpret_cast<__m256i>(half)));
#else
  return __builtin_convertvector(half, BitVec);
#endif
}

inline int64_t Least(int64_t a, int64_t b) { return a < b ? a : b; }

inline float ToFloat(float x) { return x; }

inline float ToFloat(BFloat16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float result;
  __builtin_memcpy(&result, &bits, sizeof(result));
  return result;
}

inline Vec Splat(float x) { return x - Vec{}; }

inline Vec Load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }

inline void Store(float* p, Vec x) { *reinterpret_cast<UnalignedVec*>(p) = x; }

inline BitVec Load(const uint32_t* p) { return *reinterpret_cast<const UnalignedBitVec*>(p); }

// As many 32-bit words as a vector has, of any type.
inline BitVec LoadWords(const void* p) { return *static_cast<const UnalignedBitVec*>(p); }

inline void StoreWords(void* p, BitVec x) { *static_cast<UnalignedBitVec*>(p) = x; }

inline Vec Load(const BFloat16* p) {
  const HalfVec half = *reinterpret_cast<const UnalignedHalfVec*>(p);
  return reinterpret_cast<Vec>(Widened(half) << 16);
}

// Rounds to nearest, ties to even; what is not a number stays so.
inline void Store(BFloat16* p, Vec x) {
#if defined(__AVX512BF16__)
  *reinterpret_cast<UnalignedHalfVec*>(p) = reinterpret_cast<HalfVec>(_mm512_cvtneps_pbh(x));
#else
  const BitVec bits = reinterpret_cast<BitVec>(x);
  const BitVec rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const BitVec result = x == x ? rounded : (bits >> 16) | 0x40;
  *reinterpret_cast<UnalignedHalfVec*>(p) = __builtin_convertvector(result, HalfVec);
#endif
}

// Two vectors, one after the other.
inline void StorePair(float* p, Vec left, Vec right) {
  Store(p, left);
  Store(p + kLanes, right);
}

inline void StorePair(BFloat16* p, Vec left, Vec right) {
#if defined(__AVX512BF16__)
  StoreWords(p, reinterpret_cast<BitVec>(_mm512_cvtne2ps_pbh(right, left)));
#else
  Store(p, left);
  Store(p + kLanes, right);
#endif
}

// The first `count` < kLanes elements, the others zero.
template <typename E>
inline Vec LoadPart(const E* p, int64_t count) {
  E part[kLanes] = {};
  for (int64_t i = 0; i < count; ++i) part[i] = p[i];
  return Load(part);
}

template <typename E>
inline void StorePart(E* p, Vec x, int64_t count) {
  E part[kLanes];
  Store(part, x);
  for (int64_t i = 0; i < count; ++i) p[i] = part[i];
}

// A loop over columns c of d handles `lanes` = d - c of them: a whole vector, or the rest.
template <typename E>
inline Vec LoadUpTo(const E* p, int64_t lanes) {
  return lanes >= kLanes ? Load(p) : LoadPart(p, lanes);
}

template <typename E>
inline void StoreUpTo(E* p, Vec x, int64_t lanes) {
  if (lanes >= kLanes)
    Store(p, x);
  else
    StorePart(p, x, lanes);
}

inline IntVec LaneNumbers() {
  IntVec numbers{};
  for (int32_t i = 0; i < kLanes; ++i) numbers[i] = i;
  return numbers;
}

// x with `other` from lane `lanes` on.
inline Vec KeepLanes(Vec x, int64_t lanes, float other = 0) {
  if (lanes >= kLanes) return x;
  return LaneNumbers() < static_cast<int32_t>(lanes) ? x : Splat(other);
}

template <typename V>
inline V Max(V a, V b) {
  return a > b ? a : b;
}
inline Vec Min(Vec a, Vec b) { return a < b ? a : b; }

// Lane i is lane numbers[i] of a, or of b where that is kLanes and more; the numbers are known to the
// compiler.
template <typename V>
inline V Shuffle(V a, V b, BitVec numbers) {
#if defined(__clang__)
  V shuffled{};
  for (int64_t i = 0; i < kLanes; ++i)
    shuffled[i] = numbers[i] < kLanes ? a[numbers[i]] : b[numbers[i] - kLanes];
  return shuffled;
#else
  return __builtin_shuffle(a, b, numbers);
#endif
}

// What `combine` makes of all lanes, half of them at a time.
template <typename V, typename Combine>
inline auto Reduce(V x, const Combine& combine) {
  const BitVec numbers = reinterpret_cast<BitVec>(LaneNumbers());
  for (uint32_t half = kLanes / 2; half > 0; half /= 2) x = combine(x, Shuffle(x, x, numbers ^ half));
  return x[0];
}

inline float Sum(Vec x) {
  return Reduce(x, [](Vec a, Vec b) { return a + b; });
}

inline float Largest(Vec x) {
  return Reduce(x, [](Vec a, Vec b) { return Max(a, b); });
}

// Transposes a square of 32-bit words: blocks of 1, 2, 4 .. words change places with those across the
// diagonal.
inline void TransposeSquare(BitVec (&rows)[kLanes]) {
  for (int64_t size = 1; size < kLanes; size *= 2) {
    BitVec upper{}, lower{};
    for (int64_t i = 0; i < kLanes; ++i) {
      upper[i] = static_cast<uint32_t>((i & size) == 0 ? i : kLanes + i - size);
      lower[i] = static_cast<uint32_t>((i & size) == 0 ? i + size : kLanes + i);
    }
    for (int64_t i = 0; i < kLanes; ++i) {
      if ((i & size) != 0) continue;
      const BitVec a = rows[i], b = rows[i + size];
      rows[i] = Shuffle(a, b, upper);
      rows[i + size] = Shuffle(a, b, lower);
    }
  }
}

// 2^n y for whole n.
inline Vec ScaleByPowerOfTwo(Vec y, Vec n) {
#if defined(__AVX512F__)
  return _mm512_maskz_scalef_ps(kAllLanes, y, n);
#else
  const BitVec scale = reinterpret_cast<BitVec>((__builtin_convertvector(n, IntVec) + 127) << 23);
  return y * reinterpret_cast<Vec>(scale);
#endif
}

// 1 / x within a unit in the last place, for x that are neither tiny nor huge.
inline Vec Reciprocal(Vec x) {
#if defined(__AVX512F__)
  const Vec r = _mm512_maskz_rcp14_ps(kAllLanes, x);
  return r + r * (1.0f - x * r);  // a step of Newton's
#else
  return 1.0f / x;
#endif
}

// exp(x) within 2 units in the last place for -87 <= x <= 88, of no meaning beyond; the polynomial is Cephes'
// expf.
inline Vec ExpInRange(Vec x) {
  const Vec shift = Splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec n = (x * 1.44269504088896341f + shift) - shift;
  const Vec r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Vec p = Splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  return ScaleByPowerOfTwo(p * (r * r) + r + 1.0f, n);
}

// exp(x), clamped outside of that range; what is not a number stays so.
inline Vec Exp(Vec x) {
  const Vec y = ExpInRange(Min(Max(x, Splat(-87.0f)), Splat(88.0f)));
  return x == x ? y : x;
}

}  // namespace

#endif  // KPRUNE_ENGINE_KERNELS_VECTOR_TYPES_H_
