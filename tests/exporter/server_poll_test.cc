// What the exporter asks of servers, against one in this process.
#include "exporter/server_poll.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <mutex>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "credentials/channel_credentials.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;
using testing::TemporaryFolder;
using testing::WriteFile;

// Answers with its id, and remembers what callers said of themselves; or hangs.
class AnsweringServer final : public v1::JobService::Service {
 public:
  explicit AnsweringServer(bool hangs = false) : hangs_(hangs) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~AnsweringServer() override {
    over_.Notify();
    server_->Shutdown();
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  std::vector<std::string> authorizations() const {
    std::lock_guard lock(mutex_);
    return authorizations_;
  }

  grpc::Status GetQueueStats(grpc::ServerContext* context, const v1::GetQueueStatsRequest*,
                             v1::QueueStats* answer) override {
    if (hangs_) over_.WaitForNotification();
    const auto found = context->client_metadata().find("authorization");
    std::lock_guard lock(mutex_);
    authorizations_.push_back(found == context->client_metadata().end()
                                  ? "nobody"
                                  : std::string(found->second.data(), found->second.size()));
    answer->set_queue_id("a queue");
    return grpc::Status::OK;
  }

 private:
  const bool hangs_;
  int port_ = 0;
  absl::Notification over_;
  mutable std::mutex mutex_;
  std::vector<std::string> authorizations_;  // guarded by mutex_
  std::unique_ptr<grpc::Server> server_;
};

ServerPollOptions Options() {
  ServerPollOptions options;
  options.credentials = MakeChannelCredentials({});
  options.timeout = absl::Seconds(30);
  return options;
}

TEST(ServerPollTest, Examples) {
  AnsweringServer server;
  ServerPoll poll(Options());
  const std::vector<PolledServer> answers = poll.Ask({server.address(), "127.0.0.1:1"});
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0].server, server.address());
  EXPECT_EQ(answers[0].queue.value().queue_id(), "a queue");
  EXPECT_FALSE(answers[1].queue.has_value()) << "nobody listens there";
  EXPECT_NE(answers[1].error, "");
  EXPECT_TRUE(poll.Ask({}).empty());
}

TEST(ServerPollTest, AServerThatDoesNotAnswerIsDownAndDelaysNobodyBeyondTheTimeout) {
  AnsweringServer good, hanging(true);
  ServerPollOptions options = Options();
  options.timeout = absl::Milliseconds(500);
  ServerPoll poll(options);
  const absl::Time start = absl::Now();
  const std::vector<PolledServer> answers = poll.Ask({hanging.address(), good.address()});
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
  EXPECT_FALSE(answers[0].queue.has_value());
  EXPECT_GE(answers[0].seconds, 0.4);
}

TEST(ServerPollTest, TheTokenIsReadAgainForEveryRoundAndABadOneKeepsTheLast) {
  AnsweringServer server;
  const TemporaryFolder folder;
  ServerPollOptions options = Options();
  options.token_file = folder / "token";
  ServerPoll poll(options);
  for (const char* content : {"first\n", "second", "no token at all\n", "\n"}) {
    WriteFile(folder / "token", content);
    EXPECT_TRUE(poll.Ask({server.address()})[0].queue.has_value());
  }
  EXPECT_THAT(server.authorizations(),
              ElementsAre("Bearer first", "Bearer second", "Bearer second", "Bearer second"));
}

TEST(ServerPollTest, WhereThereIsNoTokenNoneIsSent) {
  AnsweringServer server;
  ServerPoll poll(Options());
  poll.Ask({server.address()});
  EXPECT_THAT(server.authorizations(), ElementsAre("nobody"));
}

TEST(ServerPollTest, AServerThatSpeaksNoTlsIsDownForWhoWantsIt) {
  AnsweringServer server;
  const TemporaryFolder folder;
  WriteFile(folder / "ca.pem", "no certificate");
  ServerPollOptions options = Options();
  options.credentials = MakeChannelCredentials({folder / "ca.pem", "", ""});
  options.timeout = absl::Seconds(1);
  EXPECT_FALSE(ServerPoll(options).Ask({server.address()})[0].queue.has_value());
  EXPECT_THAT(server.authorizations(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace kprune
