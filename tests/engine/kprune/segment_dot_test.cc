#include "engine/kprune/segment_dot.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/engine/kprune/random_encoder.h"

namespace kprune {
namespace {

TEST(SegmentDotTest, SumsProductsWithinEachSequence) {
  const std::vector<Sample> samples = testing::RandomSamples(9);
  const Batch batch = MakeBatches(samples, 9, "file", at::kCPU)[0];
  const at::Tensor z = at::randn({batch.tokens(), 5}), g = at::randn({batch.tokens(), 5});
  const at::Tensor sums = SegmentDot(z, g, batch);
  ASSERT_EQ(sums.sizes(), (std::vector<int64_t>{9, 5}));
  for (int64_t n = 0; n < 9; ++n) {
    const int64_t begin = batch.offsets[n], length = batch.offsets[n + 1] - begin;
    const at::Tensor plain = (z.narrow(0, begin, length) * g.narrow(0, begin, length)).sum(0);
    EXPECT_LT((sums[n] - plain).abs().max().item<float>(), 1e-5) << "sequence " << n;
  }
}

TEST(SegmentDotTest, TakesRowsThatAreNotContiguous) {
  const std::vector<Sample> samples = testing::RandomSamples(4);
  const Batch batch = MakeBatches(samples, 4, "file", at::kCPU)[0];
  const at::Tensor z = at::randn({6, batch.tokens()}).t(), g = at::randn({6, batch.tokens()}).t();
  EXPECT_TRUE(at::equal(SegmentDot(z, g, batch), SegmentDot(z.contiguous(), g.contiguous(), batch)));
}

// What a GPU runs, on the CPU: float64 features take that way.
TEST(SegmentDotTest, TheReductionOfOtherDevicesGivesTheSame) {
  const std::vector<Sample> samples = testing::RandomSamples(6);
  const Batch batch = MakeBatches(samples, 6, "file", at::kCPU)[0];
  const at::Tensor z = at::randn({batch.tokens(), 4}), g = at::randn({batch.tokens(), 4});
  EXPECT_LT((SegmentDot(z.to(at::kDouble), g.to(at::kDouble), batch) - SegmentDot(z, g, batch))
                .abs()
                .max()
                .item<float>(),
            1e-5);
}

}  // namespace
}  // namespace kprune
