#include "server/work_dir.h"

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

TEST(WorkDir, ExamplesFoldersStandBesideEachOther) {
  EXPECT_TRUE(CheckApart("/srv/work", "/srv/data").ok());
  EXPECT_TRUE(CheckApart("/srv/data-work", "/srv/data").ok());
  EXPECT_TRUE(CheckApart("/srv/data/../work", "/srv/data").ok());
  for (const char* work :
       {"/srv/data", "/srv/data/", "/srv/./data", "/srv/data/work", "/srv/data/..work", "/srv", "/"})
    EXPECT_THAT(CheckApart(work, "/srv/data").ToString(), HasSubstr("lie in each other")) << work;
}

TEST(WorkDir, ALinkIsWhatItLeadsTo) {
  const TempDirectory folder;
  fs::create_directory(folder.path() / "data");
  fs::create_directory_symlink(folder.path() / "data", folder.path() / "link");
  EXPECT_FALSE(CheckApart(folder.path() / "link" / "work", folder.path() / "data").ok());
}

TEST(WorkDir, WhatJobsHaveInTheClearIsForTheServersUserAlone) {
  const TempDirectory folder;
  const fs::path jobs = folder.path() / "jobs";
  fs::create_directory(jobs);
  fs::permissions(jobs, fs::perms::all);
  for (const fs::path& made : {jobs, folder.path() / "preflight"}) {
    ASSERT_TRUE(MakePrivate(made).ok());
    EXPECT_EQ(fs::status(made).permissions(), fs::perms::owner_all);
  }
}

TEST(WorkDir, ALinkOrAFileInItsPlaceIsRefused) {
  const TempDirectory folder;
  fs::create_directory(folder.path() / "elsewhere");
  fs::create_directory_symlink(folder.path() / "elsewhere", folder.path() / "jobs");
  std::ofstream(folder.path() / "preflight") << "a file";
  for (const char* name : {"jobs", "preflight"})
    EXPECT_THAT(MakePrivate(folder.path() / name).ToString(), HasSubstr("belongs to somebody else")) << name;
}

}  // namespace
}  // namespace kprune
