#include "server/auth/certificate_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "tests/fakes/recording_metrics.h"
#include "tests/fakes/simulated_clock.h"
#include "tests/support/certificates.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using testing::CertificateSpec;
using testing::CertifiedKey;
using ::testing::ElementsAre;
using testing::Eventually;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::ReadFile;
using ::testing::StartsWith;

class CertificateKeeperTest : public ::testing::Test {
 protected:
  CertificateKeeperTest() {
    Write(authority_.Issue());
    testing::WriteFile(folder_ / "ca.pem", authority_.certificate());
  }

  void Write(const CertifiedKey& certified) {
    testing::WriteCertifiedKey(folder_.path(), "server", certified);
  }

  absl::StatusOr<std::unique_ptr<CertificateKeeper>> Open() {
    return CertificateKeeper::Open({folder_ / "server.pem", folder_ / "server.key", folder_ / "ca.pem"},
                                   clock_, metrics_);
  }

  // Whether it comes, look after look; the time of day stands still.
  bool Sees(const std::function<bool()>& condition) {
    return Eventually([&] {
      clock_.Advance(kFileLookInterval);
      clock_.Jump(-kFileLookInterval);
      return condition();
    });
  }

  std::string Refusal() { return std::string(Open().status().message()); }

  const testing::TemporaryFolder folder_;
  testing::CertificateAuthority authority_;
  SimulatedClock clock_{absl::Now()};
  RecordingMetrics metrics_;
};

TEST_F(CertificateKeeperTest, ExamplesWhatIsReplacedIsHandedOn) {
  const auto keeper = Open();
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  const std::string first = ReadFile((*keeper)->identity_path());
  EXPECT_THAT(first, HasSubstr(ReadFile(folder_ / "server.pem")));
  EXPECT_THAT(first, HasSubstr(ReadFile(folder_ / "server.key")));
  EXPECT_EQ(ReadFile((*keeper)->client_ca_path()), authority_.certificate());
  EXPECT_THAT(metrics_.events(), ElementsAre(StartsWith("server certificate until 20"),
                                             StartsWith("client_ca certificate until 20")));

  CertificateSpec longer;
  longer.to_seconds = 7200;
  const CertifiedKey second = authority_.Issue(longer);
  Write(second);
  EXPECT_TRUE(Sees([&] { return ReadFile((*keeper)->identity_path()) != first; }));
  EXPECT_THAT(ReadFile((*keeper)->identity_path()), HasSubstr(second.key));
  EXPECT_TRUE(Sees([&] { return metrics_.events().size() == 4; }));
  EXPECT_GT(metrics_.events()[2], metrics_.events()[0]) << "it expires later";
  EXPECT_EQ(metrics_.Count("certificate broken"), 0);
}

TEST_F(CertificateKeeperTest, WhatCannotBeServedChangesNothingAndIsReported) {
  const auto keeper = Open();
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  const std::string served = ReadFile((*keeper)->identity_path());
  CertificateSpec expired;
  expired.to_seconds = -60;
  int failures = 0;
  for (const CertifiedKey& bad :
       {authority_.Issue(expired), CertifiedKey{authority_.Issue().certificate, authority_.Issue().key},
        CertifiedKey{"", ""}, CertifiedKey{"no PEM", "no PEM"}}) {
    Write(bad);
    ++failures;
    EXPECT_TRUE(Sees([&] { return metrics_.Count("certificate broken") == failures; })) << failures;
    EXPECT_EQ(ReadFile((*keeper)->identity_path()), served);
  }
  const CertifiedKey good = authority_.Issue();
  Write(good);
  EXPECT_TRUE(Sees([&] { return ReadFile((*keeper)->identity_path()) != served; }));
  EXPECT_EQ(metrics_.Count("certificate broken"), failures);
}

TEST_F(CertificateKeeperTest, WhatCannotBeServedAtTheStartIsRefusedByName) {
  CertificateSpec expired, future;
  expired.to_seconds = -60;
  future.from_seconds = 600;
  Write(authority_.Issue(expired));
  EXPECT_THAT(Refusal(), HasSubstr("server.pem is valid from"));
  Write(authority_.Issue(future));
  EXPECT_THAT(Refusal(), HasSubstr("server.pem is valid from"));
  Write({authority_.Issue().certificate, authority_.Issue().key});
  EXPECT_THAT(Refusal(), HasSubstr("server.key is not that of the certificate"));
  Write({authority_.Issue().certificate, "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"});
  EXPECT_THAT(Refusal(), HasSubstr("server.key has no private key"));
  CertifiedKey cut = authority_.Issue();
  cut.certificate += cut.certificate.substr(0, cut.certificate.size() / 2);
  Write(cut);
  EXPECT_THAT(Refusal(), HasSubstr("server.pem has no certificate, or a broken one"));
  Write(authority_.Issue());
  testing::WriteFile(folder_ / "ca.pem", "nothing");
  EXPECT_THAT(Refusal(), HasSubstr("ca.pem has no certificate"));
  std::filesystem::remove(folder_ / "ca.pem");
  EXPECT_THAT(Refusal(), HasSubstr("ca.pem; it must be a PEM file"));
}

TEST_F(CertificateKeeperTest, NoOtherProcessSeesTheKey) {
  const auto keeper = Open();
  ASSERT_TRUE(keeper.ok()) << keeper.status();
  const testing::TemporaryFolder logs;
  testing::Process child({"/bin/ls", "-l", "/proc/self/fd"}, logs / "ls");
  EXPECT_EQ(child.Wait(), 0);
  EXPECT_THAT(child.Output(), Not(HasSubstr("memfd")));
}

}  // namespace
}  // namespace kprune
