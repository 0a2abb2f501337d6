#include "server/jobs/worker_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "server/jobs/process_usage.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

const absl::Time kBegin = absl::UnixEpoch();

TEST(WorkerLimitsTest, Examples) {
  WorkerLimits limits;
  limits.silence = absl::Minutes(10);
  WorkerWatch watch(limits, kBegin);
  EXPECT_FALSE(watch.Check(kBegin + absl::Minutes(9), {}, 0));
  watch.Heard(kBegin + absl::Minutes(9));
  EXPECT_FALSE(watch.Check(kBegin + absl::Minutes(18), {}, 0)) << "it sent something";
  EXPECT_FALSE(watch.Check(kBegin + absl::Minutes(20), {absl::Seconds(1)}, 0)) << "it computes";
  const auto breach = watch.Check(kBegin + absl::Minutes(31), {absl::Seconds(1)}, 0);
  ASSERT_TRUE(breach);
  EXPECT_TRUE(breach->is_crash) << "another attempt may do better";
  EXPECT_THAT(std::string(breach->why.message()), HasSubstr("no sign of life for 10m"));
}

TEST(WorkerLimitsTest, EveryOtherLimitEndsTheJobAndIsNamed) {
  WorkerLimits limits;
  limits.time = absl::Hours(1);
  limits.memory_bytes = 1000;
  limits.scratch_bytes = 100;
  WorkerWatch watch(limits, kBegin);
  EXPECT_FALSE(watch.Check(kBegin, {absl::Seconds(1), 1000}, 100)) << "at its limits, not beyond";
  const auto memory = watch.Check(kBegin, {absl::Seconds(1), 1001}, 0);
  ASSERT_TRUE(memory);
  EXPECT_FALSE(memory->is_crash);
  EXPECT_TRUE(absl::IsResourceExhausted(memory->why));
  EXPECT_THAT(std::string(memory->why.message()),
              HasSubstr("1001 bytes of memory, and this server allows 1000"));
  const auto scratch = watch.Check(kBegin, {absl::Seconds(1), 0}, 101);
  ASSERT_TRUE(scratch);
  EXPECT_TRUE(absl::IsResourceExhausted(scratch->why));
  const auto time = watch.Check(kBegin + absl::Minutes(61), {absl::Seconds(2), 0}, 0);
  ASSERT_TRUE(time);
  EXPECT_TRUE(absl::IsDeadlineExceeded(time->why));
}

TEST(WorkerLimitsTest, ZeroIsNoLimit) {
  WorkerLimits limits;
  limits.silence = absl::ZeroDuration();
  WorkerWatch watch(limits, kBegin);
  EXPECT_FALSE(
      watch.Check(kBegin + absl::Hours(10000), {absl::ZeroDuration(), int64_t{1} << 60}, int64_t{1} << 60));
}

TEST(WorkerLimitsTest, ScratchIsWhatTheWorkerWroteAndNotItsInputs) {
  const testing::TemporaryFolder folder;
  testing::WriteFile(folder / "model/model.safetensors", std::string(1000, 'x'));
  testing::WriteFile(folder / "scratch/checkpoint/state", "1234");
  testing::WriteFile(folder / "result/report.json", "12");
  testing::WriteFile(folder / "worker.log", "1");
  std::filesystem::create_symlink(folder / "model/model.safetensors", folder / "scratch/link");
  EXPECT_EQ(ScratchBytes(folder.path()), 7);
}

TEST(ProcessUsageTest, ShowsTheProcessorAndTheMemoryThatAProcessUses) {
  const auto before = ReadProcessUsage(getpid());
  ASSERT_TRUE(before);
  const std::string memory(64 << 20, 'x');
  double sum = 0;
  ASSERT_TRUE(testing::Eventually([&] {
    for (int i = 0; i < 1'000'000; ++i) sum += 1.0 / (1 + i + sum);
    return ReadProcessUsage(getpid())->cpu_time > before->cpu_time;
  })) << sum;
  EXPECT_GE(ReadProcessUsage(getpid())->memory_bytes - before->memory_bytes, 60 << 20) << memory.size();
  EXPECT_FALSE(ReadProcessUsage(int64_t{1} << 40));
}

}  // namespace
}  // namespace kprune
