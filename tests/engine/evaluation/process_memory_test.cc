#include "engine/evaluation/process_memory.h"

#include <gtest/gtest.h>

#include <vector>

namespace kprune {
namespace {

TEST(ProcessMemoryTest, Examples) {
  constexpr size_t kBlock = size_t{64} << 20;
  const absl::StatusOr<ProcessMemory> before = ReadProcessMemory();
  ASSERT_TRUE(before.ok()) << before.status();
  std::vector<char> block(kBlock, 'x');
  const absl::StatusOr<ProcessMemory> with = ReadProcessMemory();
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_GE(with->resident_bytes, before->resident_bytes + static_cast<int64_t>(kBlock) * 9 / 10)
      << block.back();
  block = {};
  const absl::StatusOr<ProcessMemory> after = ReadProcessMemory();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_GE(after->peak_resident_bytes, before->resident_bytes + static_cast<int64_t>(kBlock) * 9 / 10);
  EXPECT_GE(after->peak_resident_bytes, after->resident_bytes);
}

}  // namespace
}  // namespace kprune
