// Tests of the kernels for every instruction set.
#ifndef KPRUNE_TESTS_ENGINE_KERNELS_INSTRUCTION_SETS_H_
#define KPRUNE_TESTS_ENGINE_KERNELS_INSTRUCTION_SETS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/kernels/kernels.h"

namespace kprune::testing {

// A test of one instruction set, skipped where this processor has none of the name.
class InstructionSetTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    kernels_ = FindCpuKernels(GetParam().c_str());
    if (kernels_ == nullptr) GTEST_SKIP() << "this processor has no " << GetParam();
  }
  static std::vector<float> Random(size_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float& value : values) value = normal(random);
    return values;
  }

  // Numbers that bfloat16 holds exactly, in either type.
  static std::vector<uint16_t> ToBFloat16(const std::vector<float>& values) {
    std::vector<uint16_t> bits(values.size());
    for (size_t i = 0; i < values.size(); ++i) bits[i] = std::bit_cast<uint32_t>(values[i]) >> 16;
    return bits;
  }

  static std::vector<float> ToFloat(const std::vector<uint16_t>& bits) {
    std::vector<float> values(bits.size());
    for (size_t i = 0; i < bits.size(); ++i)
      values[i] = std::bit_cast<float>(static_cast<uint32_t>(bits[i]) << 16);
    return values;
  }

  static void ExpectClose(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 2e-5 * std::max(1.0f, std::abs(b[i]))) << i;
  }

  // `floats` of them in `memory`, aligned to 64 bytes.
  static float* AlignedScratch(int64_t floats, std::vector<float>& memory) {
    memory.resize(floats + 16);
    void* aligned = memory.data();
    size_t space = memory.size() * sizeof(float);
    return static_cast<float*>(std::align(64, floats * sizeof(float), aligned, space));
  }

  void RunProduct(const TypedKernels& typed, const ProductShape& shape, const ProductBlock& block,
                  const void* a, const void* b, void* c, const GeluEpilogue* gelu = nullptr) const {
    const int64_t panels = block.end_panel - block.first_panel;
    std::vector<float> packed_memory, memory;
    float* const packed = AlignedScratch(panels * typed.packed_panel(shape.inner), packed_memory);
    typed.pack(shape, block.first_panel, block.end_panel, b, packed);
    typed.product(shape, block, a, packed, c, gelu,
                  AlignedScratch(kernels_->product_scratch(shape.inner), memory));
  }

  // Of a product of bfloat16 over the sum of its terms' magnitudes: short sums may be float16.
  static double SumError() { return GetParam() == "avx512-fp16" ? 2e-3 : 2e-6; }

  const Kernels* kernels_ = nullptr;
  const Kernels& baseline_ = *FindCpuKernels("baseline");
};

inline auto InstructionSets() {
  return ::testing::Values("baseline", "avx2", "avx512", "avx512-fp16", "avx512-bf16", "avx512-bf16-amx");
}

inline std::string InstructionSetName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;  // a test's name has no hyphen
  std::erase(name, '-');
  return name;
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_ENGINE_KERNELS_INSTRUCTION_SETS_H_
