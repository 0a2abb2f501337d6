#include "server/artifacts/artifact_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kprune {
namespace {

using ::testing::HasSubstr;

TEST(ArtifactKeysTest, ExamplesALineThatIsNoKeyIsNamedAndNotShown) {
  const std::string good = std::string(32, 'a') + std::string(32, 'F');
  ASSERT_TRUE(ArtifactKeys::Parse("# today\n\n  " + good + "\r\n", "keys").ok());
  struct Case {
    std::string text;
    const char* says;
  };
  for (const Case& c : std::vector<Case>{{"", "keys line 1 ends it without a key"},
                                         {"# none\n", "ends it without a key"},
                                         {good + "\n" + good + "0\n", "keys line 2 has another length"},
                                         {good.substr(1) + "g", "keys line 1 has other characters"}}) {
    const absl::Status status = ArtifactKeys::Parse(c.text, "keys").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.says));
    EXPECT_THAT(std::string(status.message()), HasSubstr("openssl rand -hex 32"));
    EXPECT_EQ(status.message().find("aaaa"), absl::string_view::npos);
  }
  EXPECT_TRUE(absl::IsNotFound(ArtifactKeys::Read("/no/such/file").status()));
}

// Test case 1 of RFC 5869, appendix A, as far as 32 bytes.
TEST(ArtifactKeysTest, KeysAreDerivedByHkdf) {
  const std::string secret(22, '\x0b');
  std::string salt, info;
  for (char c = 0; c <= 0x0c; ++c) salt += c;
  for (int c = 0xf0; c <= 0xf9; ++c) info += static_cast<char>(c);
  EXPECT_EQ(KeyName(SecretKey::Derive(secret, salt, info).bytes()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
}

}  // namespace
}  // namespace kprune
