#include "server/sources/source_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "server/sources/checksums.h"
#include "tests/support/process.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class SourceCredentialsTest : public ::testing::Test {
 protected:
  std::filesystem::path Write(const std::string& text) {
    testing::WriteFile(folder_ / "file", text);
    return folder_ / "file";
  }

  TempDirectory folder_;
};

TEST_F(SourceCredentialsTest, Examples) {
  const auto tokens =
      BearerTokens::FromFile(Write("# one folder each\nhttps://models.example.com/ "
                                   "general\nhttps://models.example.com/team/\tspecial\n\n"));
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_EQ(tokens->For(*ParseSourceUrl("https://models.example.com/x")), "general");
  EXPECT_EQ(tokens->For(*ParseSourceUrl("https://models.example.com/team/x")), "special");
  EXPECT_EQ(tokens->For(*ParseSourceUrl("https://models.example.com:8443/team/x")), "");
  EXPECT_EQ(tokens->For(*ParseSourceUrl("https://other.example.com/team/x")), "");
  EXPECT_EQ(BearerTokens::FromFile("")->For(*ParseSourceUrl("https://h/")), "");
}

TEST_F(SourceCredentialsTest, AWrongLineOfTokensIsNamedButNotQuoted) {
  for (const char* bad : {"hunter2", "https://h/", "http://h/ hunter2", "https://h/ hunter2 and more",
                          "https://h/ hunter2\x01", "https://hunter2@h/ x"}) {
    const auto tokens = BearerTokens::FromFile(Write("# comment\n" + std::string(bad) + "\n"));
    EXPECT_EQ(tokens.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(tokens.status().message()),
                AllOf(HasSubstr((folder_ / "file").string() + " line 2 "), Not(HasSubstr("hunter2"))));
  }
  EXPECT_TRUE(absl::IsNotFound(BearerTokens::FromFile(folder_ / "missing").status()));
}

TEST_F(SourceCredentialsTest, S3CredentialsComeFromAFileOrTheEnvironment) {
  const auto file =
      ReadS3Credentials(Write("[other]\naws_access_key_id = no\n[default]\naws_access_key_id = "
                              "AKID\naws_secret_access_key=s3/cr+t\n"));
  ASSERT_TRUE(file.ok() && *file) << file.status();
  EXPECT_EQ((*file)->access_key_id, "AKID");
  EXPECT_EQ((*file)->secret_access_key, "s3/cr+t");
  const auto half = ReadS3Credentials(Write("[default]\naws_secret_access_key = hunter2\n"));
  EXPECT_THAT(std::string(half.status().message()), AllOf(HasSubstr("file"), Not(HasSubstr("hunter2"))));

  unsetenv("AWS_ACCESS_KEY_ID");
  unsetenv("AWS_SECRET_ACCESS_KEY");
  EXPECT_EQ(ReadS3Credentials("")->has_value(), false);
  setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
  EXPECT_FALSE(ReadS3Credentials("").ok());
  setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  setenv("AWS_SESSION_TOKEN", "session", 1);
  EXPECT_EQ((*ReadS3Credentials(""))->session_token, "session");
  for (const char* name : {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}) unsetenv(name);
}

TEST(ChecksumsTest, Examples) {
  const std::string a(64, 'a'), b(64, 'b'), upper(64, 'C');
  const auto digests =
      ParseChecksums(a + "  config.json\n" + b + " *./1_Pooling/config.json\n" + upper + "  x\r\n");
  ASSERT_TRUE(digests.ok()) << digests.status();
  EXPECT_THAT(*digests, UnorderedElementsAre(Pair("config.json", a), Pair("1_Pooling/config.json", b),
                                             Pair("x", std::string(64, 'c'))));
  EXPECT_THAT(ParseChecksums("")->size(), 0u);
}

TEST(ChecksumsTest, AWrongLineIsNamed) {
  const std::string a(64, 'a'), b(64, 'b');
  for (const std::string& bad : {std::string("SHA256 (config.json) = ") + a, a, a + "  ", a + " config.json",
                                 a.substr(1) + "  config.json", b + "  same"}) {
    EXPECT_THAT(std::string(ParseChecksums(a + "  same\n" + bad + "\n").status().message()),
                HasSubstr("SHA256SUMS line 2 "))
        << bad;
  }
}

}  // namespace
}  // namespace kprune
