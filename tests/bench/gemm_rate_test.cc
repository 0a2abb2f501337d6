#include "bench/gemm_rate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kprune {
namespace {

using ::testing::AnyOf;

TEST(GemmRateTest, Examples) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const GemmRate best = MeasureBestGemmRate(/*hidden=*/16, /*intermediate=*/64, type, at::kCPU, 0.0005);
    EXPECT_GT(best.flops_per_second, 0);
    EXPECT_THAT(best.rows, AnyOf(256, 1024, 4096));
    EXPECT_EQ(best.inner == 64, best.columns == 16);
    EXPECT_THAT(best.inner * best.columns, AnyOf(16 * 64, 16 * 48));
  }
}

}  // namespace
}  // namespace kprune
