// Samples that are left out are told of by every job that reads samples.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kOfData[] = "questions of data that have no answer are left out: 2";
constexpr char kOfEval[] = "questions of eval that have no answer are left out: 2";

// Questions, of which the first two have no answer in unanswered.jsonl.
class LeftOutTest : public ::testing::Test {
 protected:
  LeftOutTest() {
    const std::string none = R"({"question": "who", "context": "a", "answers": {"text": []}})"
                             "\n";
    testing::WriteFile(job_ / "data/unanswered.jsonl",
                       none + none + testing::ReadFile(job_ / "data/samples.jsonl"));
  }

  std::vector<std::string> Warnings(const std::string& kind, json changes) {
    changes["options"]["samples"] = 0;
    std::filesystem::remove_all(job_ / kResultDirectory);
    RecordingObserver observer;
    const absl::Status status = job_.Run(kind, changes, observer);
    EXPECT_TRUE(status.ok()) << kind << ": " << status;
    return observer.warnings;
  }

  const JobDirectory job_{{.task = "question-answering"}, 24};
  const json unanswered_ = {"data/unanswered.jsonl"};
};

TEST_F(LeftOutTest, EveryJobSaysHowManyQuestionsItLeavesOut) {
  EXPECT_THAT(Warnings("evaluate", {{"data", unanswered_}}), ElementsAre(kOfData));
  EXPECT_THAT(Warnings("compare", {{"data", unanswered_}, {"others", {"model"}}}), ElementsAre(kOfData));
  EXPECT_THAT(Warnings("tokenize", {{"data", unanswered_}}), ElementsAre(kOfData));
  EXPECT_THAT(Warnings("prune", {{"data", unanswered_}, {"eval", unanswered_}}),
              ElementsAre(kOfData, kOfEval));
  EXPECT_THAT(Warnings("evaluate", json::object()), IsEmpty());
}

TEST_F(LeftOutTest, APreflightHasItAmongWhatItPredicts) {
  EXPECT_THAT(Warnings("preflight", {{"data", unanswered_}, {"eval", unanswered_}}), IsEmpty());
  EXPECT_THAT(job_.Result(kPreflightFile)["warnings"], ElementsAre(kOfData, kOfEval));
  Warnings("preflight", json::object());
  EXPECT_THAT(job_.Result(kPreflightFile)["warnings"], IsEmpty());
}

}  // namespace
}  // namespace kprune
