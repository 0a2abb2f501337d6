#include "server/data_dir_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(DataDirLock, ExamplesOneServerAFolder) {
  const TempDirectory directory;
  const fs::path folder = directory.path() / "new" / "data";
  auto first = DataDirLock::Acquire(folder);
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::Status second = DataDirLock::Acquire(folder).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second));
  EXPECT_THAT(std::string(second.message()),
              HasSubstr("another kprune-server uses the folder " + folder.string()));
  first->reset();
  EXPECT_TRUE(DataDirLock::Acquire(folder).ok());
}

TEST(DataDirLock, ANewFolderIsItsOwnersAlone) {
  const TempDirectory directory;
  ASSERT_TRUE(DataDirLock::Acquire(directory.path() / "data").ok());
  EXPECT_EQ(fs::status(directory.path() / "data").permissions(), fs::perms::owner_all);
}

TEST(DataDirLock, AFolderThatCannotBeMadeIsNamed) {
  const TempDirectory directory;
  std::ofstream(directory.path() / "file") << "in the way";
  const absl::Status status = DataDirLock::Acquire(directory.path() / "file" / "data").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("--data-dir"));
}

}  // namespace
}  // namespace kprune
