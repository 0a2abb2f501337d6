#include "client/output_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "client/job_directory.h"
#include "nlohmann/json.hpp"
#include "tests/client/scratch_folder.h"

namespace kprune::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(OutputFolderTest, Examples) {
  const ScratchFolder folder;
  folder.Write("made/report.json", "{}");
  const OutputFolder output(folder / "deep/out/", /*may_overwrite=*/false);
  ASSERT_TRUE(CheckOutput(output, {folder / "model"}).ok());
  ASSERT_TRUE(Publish(folder / "made", output).ok());
  EXPECT_THAT(folder.List(), ElementsAre("deep"));
  EXPECT_THAT(folder.List("deep/out"), ElementsAre("report.json"));
}

TEST(OutputFolderTest, AnEmptyFolderIsFilled) {
  const ScratchFolder folder;
  folder.Write("made/report.json", "{}");
  std::filesystem::create_directory(folder / "out");
  EXPECT_TRUE(Publish(folder / "made", OutputFolder(folder / "out", false)).ok());
  EXPECT_THAT(folder.List("out"), ElementsAre("report.json"));
}

TEST(OutputFolderTest, AFileAndAMountPointAreRefused) {
  const ScratchFolder folder;
  folder.Write("file", "x");
  EXPECT_THAT(std::string(CheckOutput(OutputFolder(folder / "file", false), {}).message()),
              HasSubstr("is a file"));
  EXPECT_THAT(std::string(CheckOutput(OutputFolder("/proc", true), {}).message()),
              HasSubstr("is a mount point"));
}

TEST(OutputFolderTest, AFolderAroundAnInputIsRefused) {
  const ScratchFolder folder;
  folder.Write("data/samples.jsonl", "{}");
  EXPECT_THAT(
      std::string(
          CheckOutput(OutputFolder(folder / "data", true), {folder / "data/samples.jsonl"}).message()),
      HasSubstr("holds the input"));
  EXPECT_TRUE(CheckOutput(OutputFolder(folder / "data-2", true), {folder / "data/samples.jsonl"}).ok());
}

TEST(OutputFolderTest, AResultOnAnotherFileSystemIsCopiedAndThenRenamed) {
  struct stat here {};
  struct stat there {};
  const ScratchFolder folder;
  if (stat("/dev/shm", &there) != 0 || stat(folder.path().c_str(), &here) != 0 ||
      here.st_dev == there.st_dev) {
    GTEST_SKIP() << "NO SECOND FILE SYSTEM: /dev/shm is absent or the same as the temporary folder's";
  }
  const auto made = JobDirectory::Create("/dev/shm");
  ASSERT_TRUE(made.ok()) << made.status();
  std::filesystem::create_directory(made->result());
  std::ofstream(made->result() / "report.json") << "{}";
  EXPECT_TRUE(Publish(made->result(), OutputFolder(folder / "out", false)).ok());
  EXPECT_THAT(folder.List(), ElementsAre("out"));
  EXPECT_THAT(folder.List("out"), ElementsAre("report.json"));
  EXPECT_FALSE(std::filesystem::exists(made->result()));
}

TEST(JobDirectoryTest, JobJsonNamesAbsolutePaths) {
  LocalJobSpec spec;
  spec.kind = "prune";
  spec.model = "some/../model";
  spec.data = {"/data/a.jsonl"};
  spec.options.add_keep_flops(0.5);
  const auto job = nlohmann::json::parse(JobJson(spec));
  EXPECT_EQ(job["model"], (std::filesystem::current_path() / "model").string());
  EXPECT_EQ(job["data"], nlohmann::json{"/data/a.jsonl"});
  EXPECT_EQ(job["options"], (nlohmann::json{{"keep_flops", {0.5}}}));
  EXPECT_FALSE(job.contains("eval"));
}

TEST(JobDirectoryTest, GoesWithItsParentsUnlessTheyAreUsed) {
  const ScratchFolder folder;
  { ASSERT_TRUE(JobDirectory::Create(folder / "a/b").ok()); }
  EXPECT_THAT(folder.List(), ElementsAre());
  {
    const auto kept = JobDirectory::Create(folder / "a/b");
    ASSERT_TRUE(kept.ok());
    folder.Write("a/b/result", "x");
  }
  EXPECT_THAT(folder.List("a/b"), ElementsAre("result"));
}

}  // namespace
}  // namespace kprune::client
