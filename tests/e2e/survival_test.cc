// Jobs outlive the server: real processes, killed and drained in the middle of a job.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/e2e/job_events.h"
#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

// Deep enough that there is a middle to stop it in.
const TinyModel kDeep = {.task = "text-classification", .hidden = 64, .layers = 12, .neurons = 256};
constexpr int kSublayers = 24;

class SurvivalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteTinyModel(folder_ / "model", kDeep);
    WriteTinySentences(folder_ / "samples.jsonl", 800, kDeep);
    service_.Start();
  }

  std::string Submit() {
    const Finished submitted =
        service_.Client({"submit", folder_ / "model", "--data", folder_ / "samples.jsonl", "--keep-flops",
                         "0.5", "--no-wait"});
    EXPECT_EQ(submitted.status, 0) << submitted.errors << service_.Log();
    return submitted.output.substr(0, submitted.output.find('\n'));
  }

  // A watcher that has seen the first sublayers being pruned, but not all.
  std::unique_ptr<Process> WatchUntilPruning(const std::string& job) {
    std::unique_ptr<Process> watch = service_.StartClient({"watch", job, "--progress", "json"});
    EXPECT_TRUE(
        Eventually([&] { return CountOf(EventsIn(watch->Errors()), "sublayer") >= 2 || !watch->Running(); }));
    EXPECT_LT(CountOf(EventsIn(watch->Errors()), "sublayer"), kSublayers)
        << watch->Errors() << service_.Log();
    return watch;
  }

  // The watcher ends well, with every event once and in order.
  std::vector<json> ExpectWholeStory(Process& watch) {
    EXPECT_EQ(watch.Wait(), 0) << watch.Errors() << service_.Log();
    std::vector<json> events = EventsIn(watch.Errors());
    EXPECT_EQ(SequencesOf(events), FromOneTo(events.size()));
    EXPECT_FALSE(events.empty());
    if (!events.empty()) {
      EXPECT_EQ(events.back()["state_changed"]["state"], "SUCCEEDED") << events.back();
    }
    return events;
  }

  // `kprune eval` counts the FLOPs that the report of the model's folder tells of; returns what it printed.
  json ExpectFlopsAsReported(const std::string& folder, const json& report) {
    const Finished evaluated =
        service_.Client({"eval", folder, "--data", folder_ / "samples.jsonl", "--format", "json",
                         "--sequence-length", report["sequence_length"].dump()});
    EXPECT_EQ(evaluated.status, 0) << evaluated.errors;
    json evaluation = json::parse(evaluated.output);
    EXPECT_NEAR(evaluation["flops"].get<double>() / report["flops"]["kept"].get<double>(), 1, 1e-9);
    return evaluation;
  }

  TemporaryFolder folder_;
  Service service_{KPRUNE_BIN_DIR, folder_.path()};
};

TEST_F(SurvivalTest, Examples) {
  const std::string job = Submit();
  EXPECT_THAT(job, ::testing::StartsWith("jobs/"));

  std::unique_ptr<Process> watch = WatchUntilPruning(job);
  service_.Crash();
  EXPECT_TRUE(watch->Running()) << "a watcher waits for the server to come back: " << watch->Errors();
  service_.Start();

  const std::vector<json> events = ExpectWholeStory(*watch);
  EXPECT_EQ(CountOf(events, "sublayer"), kSublayers) << "the second attempt goes on where the first was";

  const Finished fetched = service_.Client({"fetch", job, "--output", folder_ / "out"});
  ASSERT_EQ(fetched.status, 0) << fetched.errors;
  const json report = json::parse(ReadFile(folder_ / "out" / "report.json"));
  EXPECT_EQ(report["sublayers"].size(), kSublayers);
  EXPECT_LE(report["flops"]["kept"].get<double>(), report["flops"]["budget"].get<double>());

  const json evaluation = ExpectFlopsAsReported(folder_ / "out", report);
  EXPECT_EQ(evaluation["task"], "text-classification");
  EXPECT_EQ(evaluation["metric"]["name"], "accuracy");
  EXPECT_EQ(evaluation["metric"]["n"], 800);
}

TEST_F(SurvivalTest, WhatIsFinishedOfACancelledJobIsAModelLikeAnyOther) {
  const std::string job = Submit();
  std::unique_ptr<Process> watch = WatchUntilPruning(job);
  const Finished cancelled = service_.Client({"cancel", job, "--keep-partial"});
  ASSERT_EQ(cancelled.status, 0) << cancelled.errors;
  EXPECT_THAT(cancelled.output, HasSubstr("ending early"));
  EXPECT_EQ(watch->Wait(), 2) << watch->Errors() << service_.Log();
  const std::vector<json> events = EventsIn(watch->Errors());
  EXPECT_EQ(events.back()["state_changed"]["state"], "CANCELLED");

  const Finished fetched = service_.Client({"fetch", job, "--output", folder_ / "part"});
  ASSERT_EQ(fetched.status, 0) << fetched.errors;
  const json report = json::parse(ReadFile(folder_ / "part" / "report.json"));
  EXPECT_EQ(report["ended_early"],
            json({{"pruned_sublayers", CountOf(events, "sublayer")}, {"sublayers", kSublayers}}));
  const Finished verified = service_.Client({"verify", folder_ / "part"});
  EXPECT_EQ(verified.status, 0) << verified.output << verified.errors;
  ExpectFlopsAsReported(folder_ / "part", report);
}

TEST_F(SurvivalTest, ALaterWatcherIsToldTheSameStory) {
  const std::string job = Submit();
  std::unique_ptr<Process> watch = WatchUntilPruning(job);
  service_.Crash();
  service_.Start();
  const std::vector<json> events = ExpectWholeStory(*watch);
  const Finished again = service_.Client({"watch", job, "--progress", "json"});
  EXPECT_EQ(EventsIn(again.errors), events);
}

TEST_F(SurvivalTest, AJobOfSeveralBudgetsGoesOnInTheOneItWasAt) {
  const Finished submitted =
      service_.Client({"submit", folder_ / "model", "--data", folder_ / "samples.jsonl", "--keep-flops",
                       "0.6,0.3", "--no-wait"});
  ASSERT_EQ(submitted.status, 0) << submitted.errors << service_.Log();
  const std::string job = submitted.output.substr(0, submitted.output.find('\n'));
  std::unique_ptr<Process> watch = service_.StartClient({"watch", job, "--progress", "json"});
  ASSERT_TRUE(Eventually(
      [&] { return CountOf(EventsIn(watch->Errors()), "sublayer") >= kSublayers + 2 || !watch->Running(); }));
  service_.Crash();
  service_.Start();
  const std::vector<json> events = ExpectWholeStory(*watch);
  EXPECT_EQ(CountOf(events, "sublayer"), 2 * kSublayers) << "every sublayer of both is told once";
  const Finished fetched = service_.Client({"fetch", job, "--output", folder_ / "out"});
  ASSERT_EQ(fetched.status, 0) << fetched.errors;
  const json first = json::parse(ReadFile(folder_ / "out" / "keep-0.60" / "report.json"));
  EXPECT_EQ(first["plan"]["resumed_sublayers"], 0) << "it was finished, and not pruned again";
}

TEST_F(SurvivalTest, ADrainedServerExitsCleanlyAndTheJobEndsAfterwards) {
  const std::string job = Submit();
  std::unique_ptr<Process> watch = WatchUntilPruning(job);
  EXPECT_EQ(service_.Drain(), 0) << service_.Log();
  EXPECT_TRUE(watch->Running()) << watch->Errors();
  service_.Start();
  const std::vector<std::string> states = StatesOf(ExpectWholeStory(*watch));
  EXPECT_THAT(states, Contains("QUEUED").Times(2)) << "queued at first, and again by the drain";
  EXPECT_THAT(states, ::testing::Not(Contains("RETRY_WAIT"))) << "a drain is not a crash";
}

}  // namespace
}  // namespace kprune::testing
