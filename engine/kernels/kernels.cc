#include "engine/kernels/kernels.h"

#include <cstring>
#include <initializer_list>

namespace kprune {

// Defined by vector_kernels.cc, which is compiled once for each.
#ifdef __x86_64__
const Kernels& KernelsAvx512Bf16();
const Kernels& KernelsAvx512();
const Kernels& KernelsAvx2();
#endif
const Kernels& KernelsBaseline();

const Kernels* FindCpuKernels(const char* instructions) {
#ifdef __x86_64__
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("fma");
  if (std::strcmp(instructions, "avx512-bf16") == 0)
    return avx512 && __builtin_cpu_supports("avx512bf16") ? &KernelsAvx512Bf16() : nullptr;
  if (std::strcmp(instructions, "avx512") == 0) return avx512 ? &KernelsAvx512() : nullptr;
  if (std::strcmp(instructions, "avx2") == 0) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &KernelsAvx2() : nullptr;
  }
#endif
  return std::strcmp(instructions, "baseline") == 0 ? &KernelsBaseline() : nullptr;
}

const Kernels& CpuKernels() {
  static const Kernels& best = [&]() -> const Kernels& {
    for (const char* instructions : {"avx512-bf16", "avx512", "avx2"}) {
      if (const Kernels* found = FindCpuKernels(instructions)) return *found;
    }
    return KernelsBaseline();
  }();
  return best;
}

}  // namespace kprune
