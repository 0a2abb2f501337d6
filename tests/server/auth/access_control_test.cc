#include "server/auth/access_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
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

// With the token "secret", and the certificate "robot.example.com".
std::string File(const std::string& name, const std::string& tenant = "a", const std::string& role = "viewer",
                 const std::string& robots_role = "admin") {
  return R"({"tenants": {"a": {"max_calls_per_second": 2}, "b": {}}, "identities": [
      {"name": ")" +
         name + R"(", "token_sha256": ")" + HashOf("secret") + R"(", "tenant": ")" + tenant +
         R"(", "role": ")" + role + R"("},
      {"name": "robot", "certificate": "robot.example.com", "tenant": "b", "role": ")" +
         robots_role + "\"}]}";
}

class AccessControlTest : public ::testing::Test {
 protected:
  AccessControlTest() {
    Write(File("first"));
    directory_ = AccessDirectory::Open(file_, metrics_).value();
    access_ = std::make_unique<AccessControl>(AccessControlOptions{directory_.get()}, clock_, metrics_);
  }

  // As one replacement of what was there.
  void Write(const std::string& text) {
    testing::WriteFile(file_.string() + ".next", text);
    std::filesystem::rename(file_.string() + ".next", file_);
  }

  // Whether the file counts once it has been written. Two looks take a change in, a third finds none.
  bool Counts() {
    const bool counts = !directory_->LookAgain() && directory_->LookAgain();
    EXPECT_FALSE(directory_->LookAgain());
    return counts;
  }

  // What becomes of a stream that was let in by the file before.
  absl::Status GoesOn(const char* method, const Credentials& credentials, const std::string& file) {
    Write(File("first"));
    directory_ = AccessDirectory::Open(file_, metrics_).value();
    access_ = std::make_unique<AccessControl>(AccessControlOptions{directory_.get()}, clock_, metrics_);
    const Caller admitted = access_->Admit(method, credentials).value();
    Write(file);
    EXPECT_TRUE(Counts());
    return access_->MayGoOn(method, credentials, admitted);
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
  Write(File("second"));
  EXPECT_TRUE(Counts());
  EXPECT_EQ(subject(), "second");
  Write("{");
  EXPECT_FALSE(Counts());
  EXPECT_EQ(metrics_.Count("access file broken"), 1);
  EXPECT_EQ(subject(), "second");
  std::filesystem::remove(file_);
  EXPECT_FALSE(Counts());
  EXPECT_EQ(metrics_.Count("access file broken"), 2);
  EXPECT_EQ(subject(), "second");
  Write(File("third"));
  EXPECT_TRUE(Counts());
  EXPECT_EQ(subject(), "third");
  EXPECT_EQ(directory_->LimitsOf("a").max_calls_per_second, 2);
  EXPECT_EQ(directory_->LimitsOf("unheard-of"), TenantLimits());
}

TEST_F(AccessControlTest, AStreamGoesOnAsLongAsItsCallerMayMakeIt) {
  const char watch[] = "kprune.v1.JobService/WatchJob", upload[] = "kprune.v1.ArtifactService/Upload";
  const Credentials token{"Bearer secret", {}}, robot{"", {"robot.example.com"}};
  const std::string nobody = R"({"tenants": {}, "identities": []})";
  EXPECT_TRUE(GoesOn(watch, token, File("renamed")).ok());
  EXPECT_TRUE(GoesOn(watch, token, File("first", "a", "submitter")).ok());
  EXPECT_TRUE(GoesOn(watch, token, File("first", "a", "admin")).ok());

  const absl::Status removed = GoesOn(watch, token, nobody);
  EXPECT_TRUE(absl::IsUnauthenticated(removed)) << removed;
  EXPECT_THAT(std::string(removed.message()), HasSubstr("The token that this stream began with"));
  const absl::Status certificate = GoesOn(watch, robot, nobody);
  EXPECT_TRUE(absl::IsUnauthenticated(certificate)) << certificate;
  EXPECT_THAT(std::string(certificate.message()), HasSubstr("The client certificate"));
  const absl::Status moved = GoesOn(watch, token, File("first", "b"));
  EXPECT_TRUE(absl::IsUnauthenticated(moved)) << moved;
  EXPECT_THAT(std::string(moved.message()), HasSubstr("acts for tenant b now and no longer for a"));

  // Of the roles that are left, one may watch and not upload, one neither.
  for (const char* method : {watch, upload}) {
    const absl::Status monitor = GoesOn(method, robot, File("first", "a", "viewer", "monitor"));
    EXPECT_TRUE(absl::IsPermissionDenied(monitor)) << monitor;
  }
  EXPECT_TRUE(absl::IsPermissionDenied(GoesOn(upload, robot, File("first", "a", "viewer", "viewer"))));
  // What it watches may be another tenant's.
  const absl::Status no_admin = GoesOn(watch, robot, File("first", "a", "viewer", "submitter"));
  EXPECT_TRUE(absl::IsPermissionDenied(no_admin)) << no_admin;
  EXPECT_THAT(std::string(no_admin.message()), HasSubstr("was admin and is submitter now"));
}

}  // namespace
}  // namespace kprune
