#include "server/jobs/checkpoint_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "tests/support/process.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::ReadFile;

class CheckpointKeeperTest : public ::testing::Test {
 protected:
  // What the worker of an attempt leaves.
  fs::path Leave(const std::string& job, int attempt, const std::string& bytes) {
    const fs::path directory = keeper_.AttemptDirectory(job, attempt);
    testing::WriteFile(directory / "job.json", "{}");
    testing::WriteFile(directory / "scratch/result/model.safetensors", "unfinished");
    testing::WriteFile(directory / "scratch/checkpoint/state", bytes);
    return directory;
  }

  absl::Status Recover(const std::set<std::string>& unfinished) {
    return keeper_.Recover([&](const std::string& job) {
      return unfinished.contains(job) ? CheckpointKeeper::Worth::kCheckpoint
                                      : CheckpointKeeper::Worth::kNothing;
    });
  }

  // The checkpoint that the job's attempt is given; empty where there is none.
  std::string Given(const std::string& job, int attempt) {
    const fs::path directory = keeper_.AttemptDirectory(job, attempt);
    return keeper_.Give(job, directory).checkpoint ? ReadFile(directory / "scratch/checkpoint/state") : "";
  }

  testing::TemporaryFolder folder_;
  const fs::path jobs_ = folder_ / "jobs";
  const CheckpointKeeper keeper_{folder_.path()};
};

TEST_F(CheckpointKeeperTest, Examples) {
  const fs::path first = Leave("a1", 1, "seven sublayers");
  keeper_.Keep("a1", first);
  fs::remove_all(first);
  EXPECT_EQ(Given("a1", 2), "seven sublayers");
  EXPECT_EQ(Given("a1", 3), "") << "one attempt has it";
  keeper_.Keep("a1", keeper_.AttemptDirectory("a1", 2));
  keeper_.Drop("a1");
  EXPECT_EQ(Given("a1", 3), "");
}

TEST_F(CheckpointKeeperTest, TheLaterCheckpointReplacesTheEarlier) {
  keeper_.Keep("a1", Leave("a1", 1, "one sublayer"));
  keeper_.Keep("a1", Leave("a1", 2, "two sublayers"));
  EXPECT_EQ(Given("a1", 3), "two sublayers");
}

TEST_F(CheckpointKeeperTest, AnAttemptWithoutOneLeavesTheKeptOneAlone) {
  keeper_.Keep("a1", Leave("a1", 1, "one sublayer"));
  testing::WriteFile(keeper_.AttemptDirectory("a1", 2) / "job.json", "{}");
  keeper_.Keep("a1", keeper_.AttemptDirectory("a1", 2));
  EXPECT_EQ(Given("a1", 3), "one sublayer");
}

TEST_F(CheckpointKeeperTest, OnlyAFolderIsACheckpoint) {
  const fs::path directory = keeper_.AttemptDirectory("a1", 1);
  testing::WriteFile(directory / "scratch/checkpoint", "a file");
  keeper_.Keep("a1", directory);
  EXPECT_FALSE(keeper_.Give("a1", keeper_.AttemptDirectory("a1", 2)).checkpoint);
  fs::remove(directory / "scratch/checkpoint");
  fs::create_directory_symlink("/", directory / "scratch/checkpoint");
  keeper_.Keep("a1", directory);
  EXPECT_FALSE(keeper_.Give("a1", keeper_.AttemptDirectory("a1", 2)).checkpoint);
}

TEST_F(CheckpointKeeperTest, DroppingNothingIsNothing) {
  keeper_.Drop("a1");
  EXPECT_FALSE(fs::exists(jobs_ / "a1"));
}

TEST_F(CheckpointKeeperTest, AServerThatStartsKeepsTheNewestCheckpointOfUnfinishedJobsOnly) {
  Leave("running", 9, "older");
  Leave("running", 10, "newer");
  keeper_.Keep("waiting", Leave("waiting", 1, "kept"));
  Leave("done", 1, "of no use");
  keeper_.Keep("gone", Leave("gone", 1, "of no use"));
  testing::WriteFile(keeper_.AttemptDirectory("begun", 1) / "job.json", "{}");
  testing::WriteFile(jobs_ / "running/dropped-1/state", "half removed");
  testing::WriteFile(jobs_ / "stray", "a file");

  ASSERT_TRUE(Recover({"running", "waiting", "begun"}).ok());
  std::set<std::string> left;
  for (const auto& entry : fs::recursive_directory_iterator(jobs_)) {
    if (!entry.is_directory()) left.insert(entry.path().lexically_relative(jobs_).string());
  }
  EXPECT_THAT(left, ::testing::ElementsAre("running/checkpoint/state", "waiting/checkpoint/state"));
  EXPECT_FALSE(fs::exists(jobs_ / "begun"));
  EXPECT_EQ(Given("running", 11), "newer");
  EXPECT_EQ(Given("waiting", 2), "kept");
}

TEST_F(CheckpointKeeperTest, RecoveringTwiceChangesNothing) {
  Leave("a1", 1, "one sublayer");
  ASSERT_TRUE(Recover({"a1"}).ok());
  ASSERT_TRUE(Recover({"a1"}).ok());
  EXPECT_EQ(Given("a1", 2), "one sublayer");
}

TEST_F(CheckpointKeeperTest, ANewDataFolderHasNothingToRecover) { EXPECT_TRUE(Recover({}).ok()); }

TEST_F(CheckpointKeeperTest, WhileTheQueueCannotBeReadNothingIsRemoved) {
  Leave("a1", 1, "one sublayer");
  const absl::Status status =
      keeper_.Recover([](const std::string&) -> absl::StatusOr<CheckpointKeeper::Worth> {
        return absl::UnavailableError("the database is away");
      });
  EXPECT_THAT(std::string(status.message()), HasSubstr("the database is away"));
  EXPECT_EQ(ReadFile(keeper_.AttemptDirectory("a1", 1) / "scratch/checkpoint/state"), "one sublayer");
}

}  // namespace
}  // namespace kprune
