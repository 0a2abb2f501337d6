// The commands that talk to a server, as processes against a server in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "client/json_text.h"
#include "nlohmann/json.hpp"
#include "tests/client/fake_server.h"
#include "tests/client/program.h"
#include "tests/client/scratch_folder.h"

namespace kprune::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class SubmitCommandTest : public ::testing::Test {
 protected:
  // A model and a job that has succeeded with a result of two files.
  SubmitCommandTest() {
    folder_.Write("model/config.json", R"({"model_type": "bert"})");
    folder_.Write("model/model.safetensors", std::string(3 << 20, 'w'));
    folder_.Write("model/notes.txt", "not sent");
    folder_.Write("my data.jsonl", "{\"text\": \"a\"}\n");
    kprune::v1::Job& job = server_.jobs.job;
    job.set_name("jobs/7");
    job.set_state(kprune::v1::SUCCEEDED);
    job.set_progress(1);
    for (const auto& [name, bytes] :
         {std::pair("config.json", "{}"), std::pair("report.json", R"({"method": "kprune"})")}) {
      kprune::v1::File& file = *job.add_result();
      file.set_name(name);
      file.set_sha256(server_.artifacts.Store(bytes));
      file.set_size(static_cast<int64_t>(std::string(bytes).size()));
    }
    for (const auto state : {kprune::v1::QUEUED, kprune::v1::RUNNING, kprune::v1::SUCCEEDED}) {
      kprune::v1::Event event;
      event.mutable_state_changed()->set_state(state);
      server_.jobs.AddEvent(event);
    }
  }

  Outcome Run(const std::vector<std::string>& arguments) {
    return RunProgram(arguments, {{"KPRUNE_SERVER", server_.address}});
  }

  Outcome Submit(std::vector<std::string> more) {
    std::vector<std::string> arguments = {"submit", folder_ / "model", "--data", folder_ / "my data.jsonl"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }

  FakeServer server_;
  ScratchFolder folder_;
};

TEST_F(SubmitCommandTest, Examples) {
  const Outcome outcome = Submit({"--keep-flops", "0.5", "--output", folder_ / "out", "--verbose"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "jobs/7\n");
  EXPECT_THAT(outcome.err, HasSubstr("not sent: notes.txt\n"));
  EXPECT_THAT(outcome.err, HasSubstr("uploaded model.safetensors (3.0 MiB, "));
  EXPECT_THAT(outcome.err, HasSubstr("succeeded after "));
  EXPECT_THAT(folder_.List("out"), ElementsAre("config.json", "report.json"));
  EXPECT_THAT(folder_.List(), ElementsAre("model", "my data.jsonl", "out"));

  ASSERT_EQ(server_.jobs.created.size(), 1u);
  const kprune::v1::CreateJobRequest& request = server_.jobs.created.front();
  ASSERT_EQ(request.spec().options().keep_flops_size(), 1);
  EXPECT_EQ(request.spec().options().keep_flops(0), 0.5);
  EXPECT_EQ(request.spec().model_size(), 2);
  EXPECT_EQ(request.spec().data(0).name(), "data-1.jsonl");
  EXPECT_FALSE(request.request_id().empty());
  for (const auto& file : request.spec().model())
    EXPECT_EQ(server_.artifacts.stored.count(file.sha256()), 1u);
}

TEST_F(SubmitCommandTest, NoWaitPrintsTheNameOnly) {
  const Outcome outcome = Submit({"--no-wait", "--progress=none", "--request-id", "mine"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out, "jobs/7\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(server_.jobs.created.front().request_id(), "mine");
  EXPECT_EQ(server_.jobs.watched_after.size(), 0u);
  EXPECT_EQ(Submit({"--no-wait", "--output", folder_ / "out"}).exit_code, 3);
}

TEST_F(SubmitCommandTest, APriorityGoesWithTheJob) {
  EXPECT_EQ(Submit({"--no-wait", "--priority", "-7"}).exit_code, 0);
  ASSERT_EQ(server_.jobs.created.size(), 1u);
  EXPECT_EQ(server_.jobs.created[0].spec().priority(), -7);
  EXPECT_EQ(Submit({"--priority", "101"}).exit_code, 3);
}

TEST_F(SubmitCommandTest, ALostAnswerIsAskedForAgainWithTheSameRequestId) {
  server_.jobs.create_breaks = 1;
  EXPECT_EQ(Submit({"--no-wait"}).exit_code, 0);
  ASSERT_EQ(server_.jobs.created.size(), 2u);
  EXPECT_EQ(server_.jobs.created[0].request_id(), server_.jobs.created[1].request_id());
}

TEST_F(SubmitCommandTest, ADryRunOnlyValidates) {
  server_.jobs.job.mutable_preflight()->set_family("bert");
  const Outcome outcome = Submit({"--dry-run"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("family"));
  EXPECT_TRUE(server_.jobs.created.front().validate_only());
  server_.jobs.job.mutable_preflight()->add_warnings("questions of data that have no answer are left out: 2");
  EXPECT_THAT(Submit({"--dry-run"}).out,
              ::testing::EndsWith("\nwarning: questions of data that have no answer are left out: 2\n"));
}

TEST_F(SubmitCommandTest, AUriGoesToTheServerAsItIs) {
  for (const std::string uri :
       {"https://models.example.com/team/sst2/", "s3://bucket/team/sst2", "hub:org/name@v1"}) {
    const Outcome outcome =
        Run({"submit", uri, "--data", folder_ / "my data.jsonl", "--output", folder_ / "out", "--overwrite"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(server_.jobs.created.back().spec().model_uri(), uri);
    EXPECT_EQ(server_.jobs.created.back().spec().model_size(), 0);
    EXPECT_EQ(server_.jobs.created.back().spec().data_size(), 1);
  }
  server_.jobs.job.mutable_preflight()->set_not_checked("The model is fetched when the job starts.");
  EXPECT_EQ(Run({"submit", "hub:org/name", "--data", folder_ / "my data.jsonl", "--dry-run"}).out,
            "The model is fetched when the job starts.\n");
}

TEST_F(SubmitCommandTest, AMistypedFolderIsNoDownload) {
  const Outcome outcome = Run({"submit", "org/name", "--data", folder_ / "my data.jsonl"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.err,
              HasSubstr("does not exist: org/name; a model that the server fetches is named https://"));
  EXPECT_EQ(server_.jobs.created.size(), 0u);
}

TEST_F(SubmitCommandTest, WatchShowsEventsAndThenTheJob) {
  const Outcome outcome = Run({"watch", "7", "--progress=json"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 3);
  EXPECT_THAT(outcome.out, HasSubstr("jobs/7  succeeded  100.0 %"));
}

TEST_F(SubmitCommandTest, AJobIsNamedByIdByNameOrAsTheLatest) {
  for (const char* reference : {"7", "jobs/7", "@latest"}) {
    EXPECT_EQ(Run({"get", reference, "-o", "name"}).out, "jobs/7\n") << reference;
  }
  EXPECT_EQ(nlohmann::json::parse(Run({"get", "7", "-o", "json"}).out)["state"], "SUCCEEDED");
  const Outcome unknown = Run({"get", "8"});
  EXPECT_EQ(unknown.exit_code, 1);
  EXPECT_EQ(unknown.err, "kprune: jobs/8 does not exist\n");
}

TEST_F(SubmitCommandTest, ListGoesThroughThePages) {
  EXPECT_EQ(Run({"list", "-o", "name"}).out, "jobs/7\njobs/older\n");
  EXPECT_EQ(Run({"list", "-o", "name", "--limit", "1"}).out, "jobs/7\n");
  EXPECT_THAT(Run({"list", "-o", "wide", "--state", "running"}).out, StartsWith("NAME"));
  EXPECT_EQ(Run({"list", "--state", "lost"}).exit_code, 3);
}

TEST_F(SubmitCommandTest, CancelRetryAndDeleteCallTheirMethod) {
  EXPECT_EQ(Run({"cancel", "7"}).exit_code, 0);
  EXPECT_EQ(Run({"retry", "7"}).exit_code, 0);
  EXPECT_EQ(Run({"delete", "7", "-o", "name"}).out, "jobs/7\n");
  EXPECT_THAT(server_.jobs.calls,
              ElementsAre("CancelJob jobs/7", "RetryJob jobs/7", "GetJob jobs/7", "DeleteJob jobs/7"));
}

TEST_F(SubmitCommandTest, WhatACancelledJobHadFinishedCanBeFetched) {
  server_.jobs.job.set_state(kprune::v1::RUNNING);
  server_.jobs.job.set_ending_early(true);
  EXPECT_THAT(Run({"cancel", "7", "--keep-partial"}).out, HasSubstr("running (ending early)"));
  EXPECT_THAT(server_.jobs.calls, ElementsAre("CancelJob (keep partial) jobs/7"));

  server_.jobs.job.set_state(kprune::v1::CANCELLED);
  server_.jobs.job.set_ending_early(false);
  EXPECT_THAT(Run({"get", "7"}).out, HasSubstr("kprune fetch jobs/7\n"));
  const Outcome fetched = Run({"fetch", "7", "--output", folder_ / "out"});
  EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
  EXPECT_EQ(folder_.Read("out/report.json"), R"({"method": "kprune"})");
}

TEST_F(SubmitCommandTest, FetchPublishesAWholeResultOrKeepsItsPieces) {
  const Outcome fetched = Run({"fetch", "@latest", "--output", folder_ / "out"});
  EXPECT_EQ(fetched.exit_code, 0) << fetched.err;
  EXPECT_THAT(fetched.out, HasSubstr("result: " + folder_ / "out" + "\n"));
  EXPECT_EQ(folder_.Read("out/report.json"), R"({"method": "kprune"})");
  EXPECT_EQ(Run({"fetch", "7", "--output", folder_ / "out"}).exit_code, 1) << "an existing output is refused";

  server_.artifacts.corruptions = 1;
  const Outcome damaged = Run({"fetch", "7", "--output", folder_ / "again"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_THAT(damaged.err, HasSubstr("arrived with another SHA-256"));
  EXPECT_EQ(Run({"fetch", "7", "--output", folder_ / "again"}).exit_code, 0);
  EXPECT_THAT(folder_.List(), ElementsAre("again", "model", "my data.jsonl", "out"));
}

TEST_F(SubmitCommandTest, AnUnfinishedJobHasNothingToFetch) {
  server_.jobs.job.set_state(kprune::v1::RUNNING);
  server_.jobs.job.clear_result();
  const Outcome outcome = Run({"fetch", "7", "--output", folder_ / "out"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("jobs/7 is running; only a job that succeeded, or was cancelled with "
                                     "--keep-partial, has a result to fetch"));
}

TEST_F(SubmitCommandTest, AServerWithoutTheServiceAndNoServerAtAllAreNamed) {
  EXPECT_THAT(Run({"server-info"}).err, HasSubstr("does not know this call"));
  const Outcome nowhere = Run({"list", "--server", "127.0.0.1:1"});
  EXPECT_EQ(nowhere.exit_code, 1);
  EXPECT_THAT(nowhere.err,
              StartsWith("kprune: no server can be reached at 127.0.0.1:1; start one with kprune-server"));
}

}  // namespace
}  // namespace kprune::client
