#include "client/job_watcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "client/interrupt.h"
#include "tests/client/fake_server.h"

namespace kprune::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Records what it is told.
class RecordingDisplay : public ProgressDisplay {
 public:
  void OnEvent(const kprune::v1::Event& event) override { sequences.push_back(event.sequence()); }
  void OnNote(const std::string& text) override { notes.push_back(text); }

  std::vector<int64_t> sequences;
  std::vector<std::string> notes;
};

kprune::v1::Event State(kprune::v1::JobState state, const std::string& code = "",
                        const std::string& message = "") {
  kprune::v1::Event event;
  event.mutable_state_changed()->set_state(state);
  if (!code.empty()) {
    event.mutable_state_changed()->mutable_error()->set_code(code);
    event.mutable_state_changed()->mutable_error()->set_message(message);
  }
  return event;
}

class JobWatcherTest : public ::testing::Test {
 protected:
  JobWatcherTest() {
    options_.backoff = {
        .first = absl::Milliseconds(1), .longest = absl::Milliseconds(5), .give_up = absl::Milliseconds(50)};
  }

  absl::Status Watch() { return WatchJob(connection_, "jobs/1", options_, display_); }

  FakeServer server_;
  Interrupt interrupt_;
  Connection connection_{server_.address, interrupt_};
  WatchOptions options_;
  RecordingDisplay display_;
};

TEST_F(JobWatcherTest, Examples) {
  server_.jobs.AddEvent(State(kprune::v1::QUEUED));
  server_.jobs.AddEvent(State(kprune::v1::RUNNING));
  server_.jobs.AddEvent(State(kprune::v1::SUCCEEDED));
  EXPECT_TRUE(Watch().ok());
  EXPECT_THAT(display_.sequences, ElementsAre(1, 2, 3));
}

TEST_F(JobWatcherTest, AfterABrokenConnectionItGoesOnWithTheLastSequence) {
  server_.jobs.AddEvent(State(kprune::v1::QUEUED));
  server_.jobs.AddEvent(State(kprune::v1::RUNNING));
  server_.jobs.AddEvent(State(kprune::v1::RETRY_WAIT));
  server_.jobs.AddEvent(State(kprune::v1::RUNNING));
  server_.jobs.AddEvent(State(kprune::v1::SUCCEEDED));
  server_.jobs.watches = {2, 0, 0, 1};
  EXPECT_TRUE(Watch().ok());
  EXPECT_THAT(display_.sequences, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(server_.jobs.watched_after, ElementsAre(0, 2, 2, 2, 3));
  EXPECT_EQ(display_.notes.size(), 2u) << "one note for each time the connection was lost";
}

TEST_F(JobWatcherTest, AFailedJobIsItsError) {
  server_.jobs.AddEvent(State(kprune::v1::FAILED, "INVALID_ARGUMENT", "tensor x holds NaN"));
  EXPECT_EQ(Watch(), absl::InvalidArgumentError("jobs/1 failed: tensor x holds NaN"));
}

TEST_F(JobWatcherTest, ACancelledJobIsCancelled) {
  server_.jobs.AddEvent(State(kprune::v1::CANCELLED));
  EXPECT_EQ(Watch(), absl::CancelledError("jobs/1 was cancelled"));
}

TEST_F(JobWatcherTest, ARetriedJobEndsWithItsLastStateAlsoWhenTheStreamBreaksAfterTheFirst) {
  server_.jobs.AddEvent(State(kprune::v1::FAILED, "INTERNAL", "crashed"));
  server_.jobs.AddEvent(State(kprune::v1::QUEUED));
  server_.jobs.AddEvent(State(kprune::v1::SUCCEEDED));
  server_.jobs.watches = {1};
  EXPECT_TRUE(Watch().ok());
}

TEST_F(JobWatcherTest, AStreamThatStaysIncompleteIsAnError) {
  server_.jobs.AddEvent(State(kprune::v1::RUNNING));
  const absl::Status status = Watch();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("continue with kprune watch jobs/1"));
}

TEST_F(JobWatcherTest, AServerThatWasNeverThereIsNamedAtOnce) {
  const Connection nowhere("127.0.0.1:1", interrupt_);
  const absl::Status status = WatchJob(nowhere, "jobs/1", options_, display_);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(status.message(),
            "no server can be reached at 127.0.0.1:1; start one with kprune-server, or name another with "
            "--server or "
            "KPRUNE_SERVER");
}

TEST_F(JobWatcherTest, AnInterruptIsCancelled) {
  server_.jobs.AddEvent(State(kprune::v1::RUNNING));
  interrupt_.Raise();
  EXPECT_EQ(Watch().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace kprune::client
