#include "engine/formats/dsse.h"

#include <string>

#include "engine/formats/signing_key.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"
#include "tests/support/signing_keys.h"

namespace kprune {
namespace {

using ::kprune::testing::KeyFiles;
using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kType[] = "http://example.com/HelloWorld";

class DsseTest : public ::testing::Test {
 protected:
  const testing::TemporaryFolder folder_;
  const KeyFiles files_ = testing::WriteKeyPair(folder_ / "key"),
                 other_ = testing::WriteKeyPair(folder_ / "other");
  const SigningKey key_ = *SigningKey::FromFile(files_.private_pem);
  const PublicKey public_key_ = *PublicKey::FromFile(files_.public_pem);
};

// The example of the specification, protocol.md.
TEST(PreAuthenticationEncodingTest, Examples) {
  EXPECT_EQ(PreAuthenticationEncoding(kType, "hello world"),
            "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  EXPECT_EQ(PreAuthenticationEncoding("", ""), "DSSEv1 0  0 ");
  EXPECT_EQ(PreAuthenticationEncoding("ü", std::string_view("\0\xff", 2)),
            std::string("DSSEv1 2 ü 2 \0\xff", 16));
}

TEST_F(DsseTest, Examples) {
  const absl::StatusOr<DsseEnvelope> sealed = SignEnvelope(kType, "hello world", key_);
  ASSERT_TRUE(sealed.ok()) << sealed.status();
  const std::string text = EnvelopeText(*sealed);
  EXPECT_EQ(json::parse(text)["payload"], "aGVsbG8gd29ybGQ=");
  EXPECT_EQ(json::parse(text)["signatures"][0]["keyid"], public_key_.id());
  const absl::StatusOr<DsseEnvelope> read = ParseEnvelope(text, "file");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->payload_type, kType);
  EXPECT_EQ(read->payload, "hello world");
  EXPECT_TRUE(IsSignedBy(*read, public_key_));
}

TEST_F(DsseTest, AChangeAnywhereBreaksTheSignature) {
  const DsseEnvelope sealed = *SignEnvelope(kType, "hello world", key_);
  DsseEnvelope changed = sealed;
  changed.payload = "hello World";
  EXPECT_FALSE(IsSignedBy(changed, public_key_));
  changed = sealed;
  changed.payload_type = "text/plain";
  EXPECT_FALSE(IsSignedBy(changed, public_key_));
  changed = sealed;
  changed.signatures[0].bytes[0] ^= 1;
  EXPECT_FALSE(IsSignedBy(changed, public_key_));
  EXPECT_FALSE(IsSignedBy(sealed, *PublicKey::FromFile(other_.public_pem)));
}

TEST_F(DsseTest, TheNameOfAKeyCountsForNothing) {
  DsseEnvelope sealed = *SignEnvelope(kType, "hello world", key_);
  sealed.signatures[0].key_id = "somebody";
  EXPECT_TRUE(IsSignedBy(sealed, public_key_));
  // One of several is enough, in any place.
  sealed.signatures.insert(sealed.signatures.begin(), {public_key_.id(), "no signature"});
  EXPECT_TRUE(IsSignedBy(sealed, public_key_));
  sealed.signatures.pop_back();
  EXPECT_FALSE(IsSignedBy(sealed, public_key_));
}

TEST_F(DsseTest, TakesBothAlphabetsOfBase64) {
  const auto read =
      ParseEnvelope(R"({"payloadType": "t", "payload": "_-8", "signatures": [{"sig": "+/8="}]})", "file");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->payload, "\xff\xef");
  EXPECT_EQ(read->signatures[0].bytes, "\xfb\xff");
}

TEST_F(DsseTest, RefusesWhatIsNoEnvelope) {
  for (const char* text :
       {"", "[]", "{}", R"({"payloadType": "t", "payload": "", "signatures": []})",
        R"({"payloadType": "t", "payload": "", "signatures": {}})",
        R"({"payloadType": "t", "payload": "", "signatures": ["x"]})",
        R"({"payloadType": "t", "payload": "", "signatures": [{"sig": 1}]})",
        R"({"payloadType": "t", "payload": "!", "signatures": [{"sig": ""}]})",
        R"({"payloadType": 1, "payload": "", "signatures": [{"sig": ""}]})",
        R"({"payload": "", "payload": "", "payloadType": "t", "signatures": [{"sig": ""}]})"}) {
    const absl::Status status = ParseEnvelope(text, "the.file").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("the.file")) << text;
  }
}

}  // namespace
}  // namespace kprune
