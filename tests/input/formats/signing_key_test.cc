#include "engine/formats/signing_key.h"

#include <filesystem>
#include <string>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/process.h"
#include "tests/support/signing_keys.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::KeyFiles;
using ::kprune::testing::WriteKeyPair;
using ::testing::HasSubstr;
using ::testing::Not;

class SigningKeyTest : public ::testing::Test {
 protected:
  // Why the private key in `pem` is refused.
  std::string Refusal(const fs::path& pem, absl::StatusCode code = absl::StatusCode::kInvalidArgument) {
    const absl::Status status = SigningKey::FromFile(pem).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(pem.string()));
    return std::string(status.message());
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(SigningKeyTest, Examples) {
  for (const char* kind : {"ED25519", "P-256"}) {
    SCOPED_TRACE(kind);
    const KeyFiles files = WriteKeyPair(folder_ / kind, kind);
    const absl::StatusOr<SigningKey> key = SigningKey::FromFile(files.private_pem);
    ASSERT_TRUE(key.ok()) << key.status();
    const absl::StatusOr<PublicKey> reader = PublicKey::FromFile(files.public_pem);
    ASSERT_TRUE(reader.ok()) << reader.status();
    EXPECT_EQ(key->id(), reader->id());
    const std::string signature = *key->Sign("a message");
    EXPECT_TRUE(reader->Verifies("a message", signature));
    EXPECT_FALSE(reader->Verifies("a massage", signature));
    EXPECT_FALSE(reader->Verifies("a message", signature.substr(1)));
    EXPECT_FALSE(reader->Verifies("a message", ""));
  }
}

TEST_F(SigningKeyTest, AnotherKeyVerifiesNothing) {
  for (const char* kind : {"ED25519", "P-256"}) {
    const std::string signature =
        *SigningKey::FromFile(WriteKeyPair(folder_ / "a", kind).private_pem)->Sign("x");
    EXPECT_FALSE(
        PublicKey::FromFile(WriteKeyPair(folder_ / "b", "ED25519").public_pem)->Verifies("x", signature));
    EXPECT_FALSE(
        PublicKey::FromFile(WriteKeyPair(folder_ / "c", "P-256").public_pem)->Verifies("x", signature));
  }
}

// RFC 8032, section 7.1, test 1: the key's bytes behind the fixed header of its kind, and its signature.
TEST_F(SigningKeyTest, SignsAsTheStandardDoes) {
  testing::WriteFile(folder_ / "rfc.pem",
                     "-----BEGIN PRIVATE KEY-----\n"
                     "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
                     "-----END PRIVATE KEY-----\n");
  const absl::StatusOr<SigningKey> key = SigningKey::FromFile(folder_ / "rfc.pem");
  ASSERT_TRUE(key.ok()) << key.status();
  const std::string signature = *key->Sign("");
  EXPECT_EQ(absl::BytesToHexString(signature),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0"
            "595bbe24655141438e7a100b");
}

TEST_F(SigningKeyTest, RefusesWhatItCannotSignWith) {
  EXPECT_THAT(Refusal(folder_ / "none.pem", absl::StatusCode::kNotFound), HasSubstr("No such file"));
  EXPECT_THAT(Refusal(WriteKeyPair(folder_ / "locked", "ED25519", "secret").private_pem),
              HasSubstr("is encrypted"));
  EXPECT_THAT(Refusal(WriteKeyPair(folder_ / "rsa", "RSA").private_pem),
              HasSubstr("another kind (RSA); accepted are Ed25519 and ECDSA P-256"));
  EXPECT_THAT(Refusal(WriteKeyPair(folder_ / "p384", "P-384").private_pem), HasSubstr("another kind (EC)"));
  EXPECT_THAT(Refusal(WriteKeyPair(folder_ / "open").public_pem), HasSubstr("no private key"));
  EXPECT_THAT(Refusal(folder_.path()), HasSubstr("not a regular file"));
  for (const std::string& text : {std::string(), std::string("hello"), std::string(1 << 20, 'x')}) {
    testing::WriteFile(folder_ / "text.pem", text);
    Refusal(folder_ / "text.pem");
  }
}

TEST_F(SigningKeyTest, ADamagedKeyIsRefusedWithoutItsBytes) {
  const fs::path pem = WriteKeyPair(folder_ / "key").private_pem;
  const std::string text = testing::ReadFile(pem), secret = text.substr(text.find('\n') + 1, 40);
  testing::WriteFile(pem, text.substr(0, text.size() / 2));
  EXPECT_THAT(Refusal(pem), Not(HasSubstr(secret.substr(0, 10))));
}

TEST_F(SigningKeyTest, APrivateKeyIsNoPublicOne) {
  const absl::Status status = PublicKey::FromFile(WriteKeyPair(folder_ / "key").private_pem).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("holds no public key in PEM"));
}

}  // namespace
}  // namespace kprune
