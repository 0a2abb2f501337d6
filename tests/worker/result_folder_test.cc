#include "worker/result_folder.h"

#include <filesystem>

#include "gtest/gtest.h"
#include "kprune/worker_protocol.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

class ResultFolderTest : public ::testing::Test {
 protected:
  ResultFolder Create() {
    absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job_.path());
    EXPECT_TRUE(folder.ok()) << folder.status();
    return *std::move(folder);
  }

  const testing::TemporaryFolder job_;
};

TEST_F(ResultFolderTest, Examples) {
  ResultFolder folder = Create();
  ASSERT_TRUE(folder.WriteJson("a.json", {{"n", 1}}).ok());
  EXPECT_FALSE(fs::exists(job_ / kResultDirectory)) << "visible before it is complete";
  ASSERT_TRUE(folder.Publish().ok());
  EXPECT_EQ(nlohmann::json::parse(testing::ReadFile(job_ / "result/a.json")), nlohmann::json({{"n", 1}}));
  EXPECT_EQ(testing::ReadFile(job_ / "result/a.json").back(), '\n');
}

TEST_F(ResultFolderTest, WhatIsNotPublishedIsRemoved) {
  fs::path path;
  {
    const ResultFolder folder = Create();
    path = folder.path();
    ASSERT_TRUE(folder.WriteJson("a.json", 1).ok());
    ASSERT_TRUE(fs::exists(path / "a.json"));
  }
  EXPECT_FALSE(fs::exists(path));
  EXPECT_FALSE(fs::exists(job_ / kResultDirectory));
}

TEST_F(ResultFolderTest, WhatIsPublishedStaysWhenItsOwnerGoes) {
  {
    ResultFolder folder = Create();
    ASSERT_TRUE(folder.WriteJson("a.json", 1).ok());
    ASSERT_TRUE(folder.Publish().ok());
  }
  EXPECT_TRUE(fs::exists(job_ / "result/a.json"));
}

TEST_F(ResultFolderTest, MovingPassesTheDutyOn) {
  ResultFolder first = Create();
  const fs::path path = first.path();
  {
    const ResultFolder second = std::move(first);
    EXPECT_EQ(second.path(), path);
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(ResultFolderTest, LeftoversOfADeadWorkerAreNotPublished) {
  testing::WriteFile(job_.path() / kScratchDirectory / kResultDirectory / "half.safetensors", "junk");
  ResultFolder folder = Create();
  ASSERT_TRUE(folder.WriteJson("a.json", 1).ok());
  ASSERT_TRUE(folder.Publish().ok());
  EXPECT_FALSE(fs::exists(job_ / "result/half.safetensors"));
}

TEST_F(ResultFolderTest, AResultThatIsThereIsNotOverwritten) {
  testing::WriteFile(job_.path() / kResultDirectory / "a.json", "first");
  ResultFolder folder = Create();
  ASSERT_TRUE(folder.WriteJson("a.json", 2).ok());
  EXPECT_FALSE(folder.Publish().ok());
  EXPECT_EQ(testing::ReadFile(job_ / "result/a.json"), "first");
}

TEST_F(ResultFolderTest, AJobDirectoryThatIsAFileIsAnError) {
  testing::WriteFile(job_ / "file", "");
  EXPECT_FALSE(ResultFolder::Create(job_ / "file").ok());
}

}  // namespace
}  // namespace kprune
