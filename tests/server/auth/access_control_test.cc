#include "server/auth/access_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "server/artifacts/sha256.h"
#include "tests/fakes/recording_metrics.h"
#include "tests/fakes/simulated_clock.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kGetJob[] = "kprune.v1.JobService/GetJob";

std::string HashOf(const std::string& token) {
  Sha256 hash;
  hash.Update(token);
  return hash.HexDigest();
}

std::string File(const std::string& name) {
  return R"({"tenants": {"a": {"max_calls_per_second": 2}, "b": {}}, "identities": [
      {"name": ")" +
         name + R"(", "token_sha256": ")" + HashOf("secret") + R"(", "tenant": "a", "role": "viewer"},
      {"name": "robot", "certificate": "robot.example.com", "tenant": "b", "role": "admin"}]})";
}

class AccessControlTest : public ::testing::Test {
 protected:
  AccessControlTest() {
    testing::WriteFile(file_, File("first"));
    directory_ = AccessDirectory::Open(file_, clock_, metrics_).value();
    access_ = std::make_unique<AccessControl>(AccessControlOptions{directory_.get()}, clock_, metrics_);
  }

  // Whether it comes, look after look.
  bool Sees(const std::function<bool()>& condition) {
    return testing::Eventually([&] {
      clock_.Advance(kFileLookInterval);
      return condition();
    });
  }

  const testing::TemporaryFolder folder_;
  const std::filesystem::path file_ = folder_ / "access.json";
  SimulatedClock clock_;
  RecordingMetrics metrics_;
  std::unique_ptr<AccessDirectory> directory_;
  std::unique_ptr<AccessControl> access_;
};

TEST_F(AccessControlTest, Examples) {
  const auto by_token = access_->Admit(kGetJob, {"Bearer secret", {}});
  ASSERT_TRUE(by_token.ok()) << by_token.status();
  EXPECT_EQ(by_token->subject, "first");
  EXPECT_EQ(by_token->tenant, "a");
  EXPECT_EQ(by_token->role, Role::kViewer);
  const auto by_certificate = access_->Admit(kGetJob, {"", {"10.0.0.1", "robot.example.com"}});
  ASSERT_TRUE(by_certificate.ok()) << by_certificate.status();
  EXPECT_EQ(by_certificate->subject, "robot");
  EXPECT_THAT(metrics_.events(), ElementsAre());
}

TEST_F(AccessControlTest, EveryRefusalHasItsCodeAndIsCounted) {
  EXPECT_TRUE(absl::IsUnauthenticated(access_->Admit(kGetJob, {}).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(access_->Admit(kGetJob, {"Bearer secre", {}}).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(access_->Admit(kGetJob, {"", {"stranger"}}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(
      access_->Admit("kprune.v1.JobService/DeleteJob", {"Bearer secret", {}}).status()));
  EXPECT_THAT(metrics_.events(), ElementsAre("refused no_token", "refused bad_token", "refused bad_token",
                                             "refused lacking_role"));
}

TEST_F(AccessControlTest, AWrongTokenIsRefusedAlsoWithARightCertificate) {
  EXPECT_TRUE(absl::IsUnauthenticated(access_->Admit(kGetJob, {"Bearer x", {"robot.example.com"}}).status()));
}

TEST_F(AccessControlTest, AMethodWithoutAPolicyIsOpenToNobody) {
  const absl::Status status =
      access_->Admit("kprune.v1.JobService/PurgeAll", {"", {"robot.example.com"}}).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("PurgeAll"));
}

TEST_F(AccessControlTest, ATenantCallsAsOftenAsItsLimitSaysAndOthersAreNotHeldUp) {
  const auto call = [&] { return access_->Admit(kGetJob, {"Bearer secret", {}}).status(); };
  EXPECT_TRUE(call().ok());
  EXPECT_TRUE(call().ok());
  const absl::Status third = call();
  EXPECT_TRUE(absl::IsResourceExhausted(third));
  EXPECT_THAT(std::string(third.message()), HasSubstr("2 calls a second"));
  EXPECT_THAT(metrics_.events(), ElementsAre("refused rate_limit"));
  EXPECT_TRUE(access_->Admit(kGetJob, {"", {"robot.example.com"}}).ok());
  clock_.Advance(absl::Milliseconds(500));
  EXPECT_TRUE(call().ok());
  EXPECT_TRUE(absl::IsResourceExhausted(call()));
  clock_.Advance(absl::Hours(1));  // what was not used is not saved up
  EXPECT_TRUE(call().ok());
  EXPECT_TRUE(call().ok());
  EXPECT_TRUE(absl::IsResourceExhausted(call()));
}

TEST_F(AccessControlTest, WithoutAFileEverybodyIsTheDefaultTenantsAdminOrWhoeverHasACertificate) {
  AccessControl open({}, clock_, metrics_);
  EXPECT_EQ(open.Admit(kGetJob, {})->tenant, kDefaultTenant);
  AccessControl certified({nullptr, /*certificate_required=*/true}, clock_, metrics_);
  EXPECT_TRUE(absl::IsUnauthenticated(certified.Admit(kGetJob, {}).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(certified.Admit(kGetJob, {"Bearer secret", {}}).status()));
  EXPECT_EQ(certified.Admit(kGetJob, {"", {"somebody"}})->subject, "somebody");
}

TEST_F(AccessControlTest, AChangedFileCountsAndABrokenOneChangesNothing) {
  const auto subject = [&] { return directory_->FindByToken("secret").value_or(Caller{}).subject; };
  testing::WriteFile(file_, File("second"));
  EXPECT_TRUE(Sees([&] { return subject() == "second"; }));
  testing::WriteFile(file_, "{");
  EXPECT_TRUE(Sees([&] { return metrics_.Count("access file broken") == 1; }));
  EXPECT_EQ(subject(), "second");
  std::filesystem::remove(file_);
  EXPECT_TRUE(Sees([&] { return metrics_.Count("access file broken") == 2; }));
  EXPECT_EQ(subject(), "second");
  testing::WriteFile(file_, File("third"));
  EXPECT_TRUE(Sees([&] { return subject() == "third"; }));
  EXPECT_EQ(directory_->LimitsOf("a").max_calls_per_second, 2);
  EXPECT_EQ(directory_->LimitsOf("unheard-of"), TenantLimits());
}

}  // namespace
}  // namespace kprune
