#include "server/artifacts/posix_file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

namespace kprune {
namespace {

// Opens nothing.
class RefusingDisk : public Disk {
 public:
  explicit RefusingDisk(int error) : error_(error) {}
  int Open(const char*, int, mode_t) override {
    errno = error_;
    return -1;
  }

 private:
  const int error_;
};

absl::Status OpenStatus(int error) {
  RefusingDisk disk(error);
  return PosixFile::Open(disk, "/somewhere/a-file", O_RDONLY).status();
}

TEST(PosixFileTest, TooManyOpenFilesAreNoFullDisk) {
  for (const int error : {EMFILE, ENFILE}) {
    const absl::Status status = OpenStatus(error);
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(status.message(), "cannot open /somewhere/a-file: too many files are open; try again");
  }
  EXPECT_EQ(OpenStatus(ENOSPC).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(OpenStatus(ENOENT).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(OpenStatus(EACCES).message()), ::testing::HasSubstr("/somewhere/a-file"));
}

}  // namespace
}  // namespace kprune
