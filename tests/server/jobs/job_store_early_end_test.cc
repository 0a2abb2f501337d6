// One suite for every JobStore: jobs that are to end with what is finished of them. Its stores are named in
// job_store_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "kprune/job_store.h"
#include "tests/server/jobs/job_store_fixture.h"

namespace kprune {
namespace {

TEST_P(JobStoreTest, AJobThatEndsEarlyIsCancelledWithWhatItsHolderBrings) {
  const std::string id = Create().id;
  const Lease lease = Claim();
  const absl::StatusOr<JobRecord> ending = store_->EndEarly(id, Tick());
  ASSERT_TRUE(ending.ok()) << ending.status();
  EXPECT_EQ(ending->state, JobState::kRunning);
  EXPECT_TRUE(Get(id).ending_early);
  EXPECT_THAT(Payloads(id).back(), testing::HasSubstr(R"("ending_early":true)"));
  ASSERT_TRUE(store_->AppendEvent(lease, "{}", 0.25, Tick()).ok()) << "the lease goes on";
  EXPECT_TRUE(store_->EndEarly(id, Tick()).ok()) << "to ask again changes nothing";

  const Manifest part = {{"report.json", std::string(64, 'f'), 1}};
  EXPECT_EQ(*store_->Succeed(lease, part, Tick()), JobState::kCancelled);
  const JobRecord ended = Get(id);
  EXPECT_EQ(ended.state, JobState::kCancelled);
  EXPECT_EQ(ended.result, part);
  EXPECT_EQ(ended.progress, 0.25) << "it is not all done";
  EXPECT_FALSE(ended.ending_early);
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->EndEarly(id, Tick()).status()));

  // A retry begins anew.
  ASSERT_TRUE(store_->Retry(id, Tick()).ok());
  EXPECT_TRUE(Get(id).result.empty());
  EXPECT_THAT(*store_->FindUnreferenced(kDefaultTenant, {part[0].sha256}), testing::ElementsAre(part[0].sha256));
  EXPECT_EQ(*store_->Succeed(Claim(), part, Tick()), JobState::kSucceeded);
}

TEST_P(JobStoreTest, ThatAJobEndsEarlyOutlivesItsAttemptsButNotItsEnd) {
  const std::string id = Create().id;
  Lease lease = Claim();
  ASSERT_TRUE(store_->EndEarly(id, Tick()).ok());
  ASSERT_TRUE(store_->Requeue(lease, Tick()).ok());
  EXPECT_TRUE(Get(id).ending_early);
  lease = Claim();
  EXPECT_EQ(*store_->RecordCrash(lease, {"INTERNAL", "gone"}, Tick()), JobState::kRetryWait);
  EXPECT_TRUE(Get(id).ending_early);
  if (GetParam().durable) Open();
  EXPECT_TRUE(Get(id).ending_early);

  // Who does not want to wait for it cancels it after all.
  ASSERT_TRUE(store_->Cancel(id, Tick()).ok());
  EXPECT_EQ(Get(id).state, JobState::kCancelled);
  EXPECT_FALSE(Get(id).ending_early);
}

TEST_P(JobStoreTest, AJobThatNeverBeganHasNothingToKeep) {
  const std::string id = Create().id;
  EXPECT_EQ(store_->EndEarly(id, Tick())->state, JobState::kCancelled);
  EXPECT_TRUE(absl::IsNotFound(store_->EndEarly("nobody", Tick()).status()));
}

}  // namespace
}  // namespace kprune
