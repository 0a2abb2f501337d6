#include "engine/kernels/kernels.h"

#include <cstring>
#include <initializer_list>

#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace kprune {

// Defined by vector_kernels.cc, which is compiled once for each.
#ifdef __x86_64__
const Kernels& KernelsAvx512Bf16Amx();
const Kernels& KernelsAvx512Bf16();
const Kernels& KernelsAvx512Fp16();
const Kernels& KernelsAvx512();
const Kernels& KernelsAvx2();
#endif
const Kernels& KernelsBaseline();

namespace {

#ifdef __x86_64__
unsigned FeaturesInEdx() {  // cpuid, leaf 7
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 ? 0 : d;
}

// Linux gives a process the state of matrix tiles when it asks; some sandboxes do not.
bool HasMatrixTiles() {
  constexpr unsigned kBFloat16 = 1U << 22, kTile = 1U << 24;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // asm/prctl.h; the state component
  const unsigned features = FeaturesInEdx();
  return (features & kBFloat16) != 0 && (features & kTile) != 0 &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool HasFloat16() {
  constexpr unsigned kFloat16 = 1U << 23;
  return (FeaturesInEdx() & kFloat16) != 0;
}

// Whether products of pairs of bfloat16 (AVX512-BF16, without tiles) take less time than those of float32. On
// AMD's processors they do; Intel's multiply half as fast so (measured: Emerald Rapids, 86 against 175
// GFLOP/s a core).
bool PairsPay() { return __builtin_cpu_is("amd"); }
#endif

}  // namespace

const Kernels* FindCpuKernels(const char* instructions) {
#ifdef __x86_64__
  static const bool tiles = HasMatrixTiles();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("fma");
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  if (std::strcmp(instructions, "avx512-bf16-amx") == 0)
    return bf16 && tiles ? &KernelsAvx512Bf16Amx() : nullptr;
  if (std::strcmp(instructions, "avx512-bf16") == 0) return bf16 ? &KernelsAvx512Bf16() : nullptr;
  if (std::strcmp(instructions, "avx512-fp16") == 0)
    return bf16 && HasFloat16() ? &KernelsAvx512Fp16() : nullptr;
  if (std::strcmp(instructions, "avx512") == 0) return avx512 ? &KernelsAvx512() : nullptr;
  if (std::strcmp(instructions, "avx2") == 0) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &KernelsAvx2() : nullptr;
  }
#endif
  return std::strcmp(instructions, "baseline") == 0 ? &KernelsBaseline() : nullptr;
}

const Kernels& CpuKernels() {
  static const Kernels& best = [&]() -> const Kernels& {
    for (const char* instructions : {"avx512-bf16-amx", "avx512-bf16", "avx512-fp16", "avx512", "avx2"}) {
#ifdef __x86_64__
      if (std::strcmp(instructions, "avx512-bf16") == 0 && !PairsPay()) continue;
#endif
      if (const Kernels* found = FindCpuKernels(instructions)) return *found;
    }
    return KernelsBaseline();
  }();
  return best;
}

bool HasFastBFloat16() { return CpuKernels().fast_bfloat16; }

}  // namespace kprune
