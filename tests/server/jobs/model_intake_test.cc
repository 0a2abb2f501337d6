// Jobs that name their model by a URI, from the claim on.
#include "server/jobs/model_intake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "tests/fakes/in_memory_http_host.h"
#include "tests/server/jobs/supervisor_fixture.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ModelIntakeTest : public SupervisorTest {
 protected:
  ModelIntakeTest() : preflight_(processes_, system_clock_, {folder_.path(), absl::Minutes(1)}) {
    intake_ = &real_intake_;
    ServeModel(json::object());
  }
  ~ModelIntakeTest() override { supervisor_.reset(); }

  // The worker of the model behaves as `fake` says.
  void ServeModel(const json& fake) {
    host_.Serve(kFolder + "config.json", {{.body = json{{"model_type", "bert"}, {"fake", fake}}.dump()}});
    host_.Serve(kFolder + "model.safetensors", {{.body = "weights"}});
  }

  std::string QueueUri(const std::string& uri = kFolder) {
    NewJob job;
    job.input.model_uri = uri;
    job.input.data = {Put("samples.jsonl", "{\"text\": \"a\"}\n")};
    job.preflight_json = R"({"not_checked": "The model."})";
    auto created = store_.Create(job, system_clock_.Now());
    EXPECT_TRUE(created.ok()) << created.status();
    return created->job.id;
  }

  // Waits until the file has been asked for.
  void AwaitRequest(const std::string& name) {
    const bool asked = kprune::testing::Eventually([&] {
      const auto urls = host_.urls();
      return std::find(urls.begin(), urls.end(), kFolder + name) != urls.end();
    });
    EXPECT_TRUE(asked) << name;
  }

  inline static const std::string kFolder = "https://models.example.com/team/sst2/";

  InMemoryHttpHost host_;
  ModelFetcher fetcher_{[] {
                          ModelFetcherOptions options;
                          options.allowed = *SourceAllowList::Parse("https://models.example.com/team/");
                          return options;
                        }(),
                        [this] { return host_.MakeClient(); }, system_clock_};
  PreflightRunner preflight_;
  ModelIntake real_intake_{{fetcher_, preflight_, store_, references_, system_clock_, metrics_}};
};

TEST_F(ModelIntakeTest, Examples) {
  const std::string id = QueueUri();
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  ASSERT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  // What was fetched is recorded as if it had been uploaded, and was checked as that is.
  ASSERT_THAT(job.input.model, SizeIs(2));
  EXPECT_EQ(job.input.model[1].name, "model.safetensors");
  EXPECT_EQ(Download(job.input.model[1]), "weights");
  EXPECT_EQ(job.input.model_uri, kFolder);
  EXPECT_EQ(json::parse(job.preflight_json)["family"], "bert");
  EXPECT_EQ(json::parse(job.preflight_json).contains("not_checked"), false);
  supervisor_->Drain();
  EXPECT_FALSE(HasJobDirectories());
}

TEST_F(ModelIntakeTest, ProgressNeverFallsWhenTheWorkerTakesOver) {
  const std::string id = QueueUri();
  Start();
  AwaitFinished(store_, id);
  std::vector<double> fractions;
  auto batch = store_.ReadEvents(id, 0, 1000);
  for (const JobEvent& event : batch->events) {
    const json payload = json::parse(event.payload_json);
    if (payload.contains("stage")) fractions.push_back(payload["stage"]["fraction"]);
  }
  ASSERT_GT(fractions.size(), 3u);
  EXPECT_EQ(fractions.front(), 0);
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end())) << Payloads(id);
  EXPECT_EQ(fractions.back(), 1);
}

TEST_F(ModelIntakeTest, AJobDependsOnItsSourceNoLongerThanTheFetch) {
  ServeModel({{"crash_at", 1}, {"crash_attempts", 1}});
  const std::string id = QueueUri();
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 2);
  const auto urls = host_.urls();
  EXPECT_EQ(std::count(urls.begin(), urls.end(), kFolder + "config.json"), 1);
}

TEST_F(ModelIntakeTest, AFailedFetchFailsTheJobAndARetryFetchesAgain) {
  host_.Serve(kFolder + "model.safetensors", {{.status = 403}});
  const std::string id = QueueUri();
  Start();
  const JobRecord failed = AwaitFinished(store_, id);
  EXPECT_EQ(failed.state, JobState::kFailed);
  EXPECT_EQ(failed.error.code, "PERMISSION_DENIED");
  EXPECT_THAT(failed.error.message, HasSubstr("Cannot fetch " + kFolder + "model.safetensors: "));
  EXPECT_THAT(failed.input.model, IsEmpty());

  ServeModel(json::object());
  ASSERT_TRUE(store_.Retry(id, system_clock_.Now()).ok());
  EXPECT_EQ(AwaitFinished(store_, id).state, JobState::kSucceeded);
  supervisor_->Drain();
  EXPECT_FALSE(HasJobDirectories());
}

TEST_F(ModelIntakeTest, AModelThatThePreflightRefusesFailsWithItsSentence) {
  ServeModel({{"preflight_fail", "INVALID_ARGUMENT: model_type \"mamba\" cannot be pruned."}});
  const std::string id = QueueUri();
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.error, (JobError{"INVALID_ARGUMENT", "model_type \"mamba\" cannot be pruned."}));
  EXPECT_THAT(job.input.model, SizeIs(2)) << "what was fetched is known";
  // With the job goes what it alone refers to.
  const std::vector<std::string> unreferenced = store_.Delete(id)->unreferenced;
  EXPECT_THAT(unreferenced, ::testing::Contains(job.input.model[0].sha256));
}

TEST_F(ModelIntakeTest, CancellingEndsAFetchAtOnce) {
  host_.Serve(kFolder + "model.safetensors", {{.hangs = true}});
  const std::string id = QueueUri();
  Supervisor& supervisor = Start();
  AwaitRequest("model.safetensors");
  ASSERT_TRUE(store_.Cancel(id, system_clock_.Now()).ok());
  supervisor.OnJobCancelled(id);
  // The device is free for another job.
  EXPECT_EQ(AwaitFinished(store_, Queue({{"sublayers", 1}})).state, JobState::kSucceeded);
  EXPECT_EQ(store_.Get(id)->state, JobState::kCancelled);
  supervisor.Drain();
  EXPECT_FALSE(HasJobDirectories());
}

TEST_F(ModelIntakeTest, ADrainedServersFetchBeginsAgainWithTheNext) {
  host_.Serve(kFolder + "model.safetensors", {{.hangs = true}, {.body = "weights"}});
  const std::string id = QueueUri();
  Start();
  AwaitRequest("model.safetensors");
  supervisor_->Drain();
  EXPECT_EQ(store_.Get(id)->state, JobState::kQueued);
  EXPECT_EQ(store_.Get(id)->crashes, 0);
  EXPECT_FALSE(HasJobDirectories());
  Start();
  const JobRecord job = AwaitFinished(store_, id);
  EXPECT_EQ(job.state, JobState::kSucceeded) << job.error.message;
  EXPECT_EQ(job.attempt, 2);
}

TEST_F(ModelIntakeTest, TwoJobsOfOneSourceAtOnceShareItsBytes) {
  options_.devices = {"cpu", "cuda:0"};
  const std::string first = QueueUri(), second = QueueUri();
  Start();
  const JobRecord a = AwaitFinished(store_, first), b = AwaitFinished(store_, second);
  EXPECT_EQ(a.state, JobState::kSucceeded) << a.error.message;
  EXPECT_EQ(b.state, JobState::kSucceeded) << b.error.message;
  EXPECT_EQ(a.input.model, b.input.model);
  // Deleting one keeps what the other refers to.
  EXPECT_THAT(store_.Delete(first)->unreferenced, Not(::testing::Contains(b.input.model[0].sha256)));
}

TEST_F(ModelIntakeTest, AServerThatMayFetchNothingAnyMoreFailsWhatWaited) {
  const std::string id = QueueUri();
  intake_ = nullptr;
  Start();
  EXPECT_EQ(AwaitFinished(store_, id).error.code, "PERMISSION_DENIED");
}

}  // namespace
}  // namespace kprune
