#include "engine/formats/file.h"

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "engine/formats/sha256.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/written_file.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(File, Examples) {
  const TempDirectory folder;
  const fs::path path = folder.path() / "a";
  ASSERT_TRUE(WriteFileDurably(path, "hello").ok());
  EXPECT_EQ(ReadFile(path, 5).value(), "hello");
  EXPECT_EQ(ReadFile(path, 4).status().code(), absl::StatusCode::kInvalidArgument);
  absl::StatusOr<std::unique_ptr<MappedFile>> mapped = MappedFile::Open(path);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_EQ((*mapped)->bytes().size(), 5u);
  EXPECT_EQ((*mapped)->bytes()[0], std::byte{'h'});
}

TEST(File, AnEmptyFileIsReadAndMapped) {
  const TempDirectory folder;
  const fs::path path = WriteFile(folder, "empty", "");
  EXPECT_EQ(ReadFile(path, 0).value(), "");
  EXPECT_EQ((*MappedFile::Open(path))->bytes().size(), 0u);
}

TEST(File, WhatIsNoRegularFileIsRefusedWithoutWaiting) {
  const TempDirectory folder;
  const fs::path fifo = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const fs::path& path : {fifo, folder.path()}) {
    EXPECT_EQ(ReadFile(path, 10).status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(MappedFile::Open(path).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(ReadFile(folder.path() / "none", 10).status().code(), absl::StatusCode::kNotFound);
}

TEST(File, AMapOutlivesTheReplacementOfItsFile) {
  const TempDirectory folder;
  const fs::path path = WriteFile(folder, "a", "old");
  const absl::StatusOr<std::unique_ptr<MappedFile>> mapped = MappedFile::Open(path);
  ASSERT_TRUE(WriteFileDurably(path, "newer").ok());
  EXPECT_EQ((*mapped)->bytes()[0], std::byte{'o'});
  EXPECT_EQ(ReadFile(path, 10).value(), "newer");
}

TEST(File, AFailedWriteLeavesNothing) {
  const TempDirectory folder;
  EXPECT_EQ(WriteFileDurably(folder.path() / "none" / "a", "x").code(), absl::StatusCode::kNotFound);
  fs::create_directory(folder.path() / "taken");
  const absl::Status status = WriteFileDurably(folder.path() / "taken", "x");
  EXPECT_THAT(std::string(status.message()), HasSubstr("taken"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST(Sha256, AgreesWithThePublishedVectors) {
  const std::string empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  const std::string abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  EXPECT_EQ(Sha256OfBytes(""), empty);
  EXPECT_EQ(Sha256OfBytes("abc"), abc);
  const TempDirectory folder;
  EXPECT_EQ(Sha256OfFile(WriteFile(folder, "abc", "abc")).value(), abc);
  EXPECT_EQ(Sha256OfFile(WriteFile(folder, "empty", "")).value(), empty);
  EXPECT_EQ(Sha256OfFile(folder.path() / "none").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace kprune
