#include "engine/pruning/at_once.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

class AtOnceTest : public ::testing::TestWithParam<int> {
 protected:
  int workers() const { return GetParam(); }

  const std::vector<Sample> samples_ = testing::RandomSamples(24);
  const std::vector<Batch> batches_ = MakeBatches(samples_, 6, "file", at::kCPU, /*max_tokens=*/10);
};

bool Never() { return false; }

TEST_P(AtOnceTest, EveryBatchIsVisitedOnceByTheSameWorkerEveryTime) {
  std::map<int64_t, int> before;
  for (int repeat = 0; repeat < 3; ++repeat) {
    std::mutex mutex;
    std::map<int64_t, int> visited;
    const absl::Status status =
        ForEachAtOnce(batches_, /*in_groups=*/false, workers(), Never, [&](int worker, const Batch& batch) {
          EXPECT_FALSE(c10::GradMode::is_enabled());
          const std::lock_guard lock(mutex);
          EXPECT_TRUE(visited.emplace(batch.begin, worker).second) << batch.begin;
          return absl::OkStatus();
        });
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(visited.size(), batches_.size());
    if (repeat > 0) {
      EXPECT_EQ(visited, before);
    }
    before = visited;
  }
}

TEST_P(AtOnceTest, AGroupIsOneWorkers) {
  std::mutex mutex;
  std::map<int64_t, int> worker_of;
  const absl::Status status =
      ForEachAtOnce(batches_, /*in_groups=*/true, workers(), Never, [&](int worker, const Batch& batch) {
        const std::lock_guard lock(mutex);
        worker_of[batch.begin] = worker;
        return absl::OkStatus();
      });
  ASSERT_TRUE(status.ok()) << status;
  int groups = 0;
  for (size_t k = 0; k < batches_.size(); ++k) {
    EXPECT_EQ(worker_of.at(batches_[k].begin), groups % workers());
    groups += batches_[k].closes_group ? 1 : 0;
  }
  EXPECT_EQ(groups, 4);
  EXPECT_GT(batches_.size(), 4u);
}

TEST_P(AtOnceTest, TheFirstErrorEndsAll) {
  const auto refuse = [&](int, const Batch& batch) -> absl::Status {
    return batch.begin == 0 ? absl::DataLossError("gone") : absl::OkStatus();
  };
  EXPECT_EQ(ForEachAtOnce(batches_, false, workers(), Never, refuse).message(), "gone");
  const auto fail = [&](int worker, const Batch&) -> absl::Status {
    if (worker == workers() - 1) throw std::runtime_error("out of memory");
    return absl::OkStatus();
  };
  EXPECT_THROW(ForEachAtOnce(batches_, false, workers(), Never, fail).IgnoreError(), std::runtime_error);
}

TEST_P(AtOnceTest, AsksBeforeABatchWhetherItIsCancelled) {
  int visited = 0;
  const auto cancelled = [&] { return visited > 0; };
  const auto count = [&](int worker, const Batch&) {
    if (worker == 0) ++visited;
    return absl::OkStatus();
  };
  EXPECT_EQ(ForEachAtOnce(batches_, false, workers(), cancelled, count).code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(visited, 1);
}

INSTANTIATE_TEST_SUITE_P(Workers, AtOnceTest, ::testing::Values(1, 2, 3), [](const auto& info) {
  return std::to_string(info.param);
});

}  // namespace
}  // namespace kprune
