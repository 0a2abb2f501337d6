#include "engine/cost/latency.h"

#include <ATen/ATen.h>

#include <cmath>

#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

TEST(LatencyTest, Examples) {
  const Encoder original = TinyEncoder({});
  Encoder pruned = original;
  for (int t = 0; t < pruned.num_sublayers(); ++t) pruned.Keep(t, {});
  const std::vector<double> milliseconds =
      MeasureLatency({&original, &pruned}, {.batch_size = 2, .tokens = 16}, 3);
  ASSERT_EQ(milliseconds.size(), 2u);
  for (double median : milliseconds) {
    EXPECT_GT(median, 0);
    EXPECT_TRUE(std::isfinite(median));
  }
}

TEST(LatencyTest, TakesOneTokenAndEveryPosition) {
  const Encoder encoder = TinyEncoder({.positions = 12});
  EXPECT_GT(MeasureLatency({&encoder}, {.batch_size = 1, .tokens = 1}, 1)[0], 0);
  EXPECT_GT(MeasureLatency({&encoder}, {.batch_size = 300, .tokens = 12}, 1)[0], 0);
}

}  // namespace
}  // namespace kprune
