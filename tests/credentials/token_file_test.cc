#include "credentials/token_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::TemporaryFolder;
using testing::WriteFile;

class TokenFileTest : public ::testing::Test {
 protected:
  // What is read where the file holds `bytes`.
  absl::StatusOr<std::string> Read(const std::string& bytes) const {
    WriteFile(file_, bytes);
    return ReadToken(file_);
  }

  const TemporaryFolder folder_;
  const std::string file_ = folder_ / "token";
};

TEST_F(TokenFileTest, Examples) {
  EXPECT_EQ(Read("kprune_abc\n").value(), "kprune_abc");
  EXPECT_EQ(Read("  kprune_abc\r\n").value(), "kprune_abc") << "as an editor of another system leaves it";
  EXPECT_EQ(Read("kprune_abc").value(), "kprune_abc");
  EXPECT_EQ(Read("kprune_abc\nand a note\n").value(), "kprune_abc");
  EXPECT_EQ(Read(std::string(4096, 'a')).value().size(), 4096u);
}

TEST_F(TokenFileTest, AFileThatIsMissingOrEmptyIsNotFound) {
  const absl::Status missing = ReadToken("/nonexistent").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(missing.message(),
            "cannot read a token from /nonexistent; --token-file names a file with one line");
  EXPECT_EQ(Read("").status().code(), absl::StatusCode::kNotFound);
}

// gRPC ends the program at metadata that is not visible ASCII.
TEST_F(TokenFileTest, WhatIsNoTokenIsRefusedAndNotRepeated) {
  for (const std::string& bytes : {std::string("\nsecret\n"), std::string("sec ret\n"),
                                   std::string("sec\tret"), std::string("s\0ecret", 7), std::string("sécret"),
                                   std::string("sec\x7fret"), std::string(4097, 's')}) {
    const absl::Status status = Read(bytes).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << bytes;
    EXPECT_THAT(std::string(status.message()), HasSubstr("what is in " + file_ + " is no token"));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("ret"))) << "a secret stays one";
  }
}

}  // namespace
}  // namespace kprune
