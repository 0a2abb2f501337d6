// What the supervisor tells metrics beside how jobs and workers end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kprune/out_of_memory_warning.h"
#include "tests/server/jobs/supervisor_fixture.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

class SupervisorMetricsTest : public SupervisorTest {
 protected:
  // Runs a job whose fake worker behaves as `fake` says; what was told of it.
  std::vector<std::string> DetailsOf(const nlohmann::json& fake) {
    Start();
    AwaitFinished(store_, Queue(fake));
    supervisor_->Drain();
    return metrics_.details();
  }
};

TEST_F(SupervisorMetricsTest, ExamplesAJobThatRunsThrough) {
  // The fake worker tells of loading, of sublayers (measured, searched, tuned) and of exporting.
  EXPECT_THAT(DetailsOf({{"sublayers", 2}}),
              ElementsAre("attempt 1", "worker 1 on cpu", "phase 0", "phase 1", "phase 2", "phase 3",
                          "phase 5", "model with 0.500000 removed"));
}

TEST_F(SupervisorMetricsTest, EveryAttemptAndItsWorkerAreToldAndThePhasesOfTheLastAlone) {
  const auto details = DetailsOf({{"sublayers", 2}, {"crash_at", 1}, {"crash_attempts", 1}});
  EXPECT_THAT(details, Contains("attempt 1").Times(1));
  EXPECT_THAT(details, Contains("attempt 2").Times(1));
  EXPECT_THAT(details, Contains("worker 2 on cpu").Times(1));
  EXPECT_THAT(details, Contains("phase 1").Times(1));
}

TEST_F(SupervisorMetricsTest, AJobThatFailsHasNoPhasesAndNoModel) {
  EXPECT_THAT(DetailsOf({{"sublayers", 2}, {"fail", "INVALID_ARGUMENT: bad"}}),
              ElementsAre("attempt 1", "worker 1 on cpu"));
}

TEST_F(SupervisorMetricsTest, AModelIsToldForEachBudgetAndNotForTheirComparison) {
  EXPECT_THAT(DetailsOf({{"sublayers", 1}, {"models", {"keep-0.70", "keep-0.50"}}}),
              Contains("model with 0.500000 removed").Times(2));
}

TEST_F(SupervisorMetricsTest, WhatAnEngineSaysOfMemoryIsCounted) {
  EXPECT_THAT(DetailsOf({{"sublayers", 1}, {"warning", OutOfMemoryWarning("sublayer 0", 4096, 2048)}}),
              Contains("out of memory").Times(1));
}

TEST_F(SupervisorMetricsTest, AWarningThatSaysSomethingElseIsNot) {
  EXPECT_THAT(DetailsOf({{"sublayers", 1}, {"warning", "the samples are few"}}),
              Not(Contains("out of memory")));
}

TEST_F(SupervisorMetricsTest, WhatTheHolderOfALostLeaseWritesIsCounted) {
  Start();
  const auto touched = folder_.path() / "touched", go_on = folder_.path() / "go-on";
  const std::string id = Queue({{"sublayers", 2}, {"touch", touched}, {"wait_for", go_on}});
  ASSERT_TRUE(kprune::testing::Eventually([&] { return std::filesystem::exists(touched); }));
  ASSERT_TRUE(store_.Cancel(id, system_clock_.Now()).ok());  // and nobody tells the supervisor
  ASSERT_TRUE(kprune::testing::Eventually([&] {
    const auto details = metrics_.details();
    return std::find(details.begin(), details.end(), "fenced write") != details.end();
  }));
}

}  // namespace
}  // namespace kprune
