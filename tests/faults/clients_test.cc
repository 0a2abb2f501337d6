// Clients that are many, slow, rude or gone: the server keeps nothing of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/faults/job_caller.h"
#include "tests/faults/length.h"
#include "tests/faults/processes.h"
#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;

class ClientsTest : public ::testing::Test {
 protected:
  explicit ClientsTest(std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--worker", fs::path(KPRUNE_BIN_DIR) / "fake_worker"});
    service_ = std::make_unique<Service>(KPRUNE_BIN_DIR, folder_.path(), flags);
    service_->Start();
  }

  const TemporaryFolder folder_;
  std::unique_ptr<Service> service_;
};

int CountOf(const std::string& word, const std::string& text) {
  int count = 0;
  for (size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) ++count;
  return count;
}

// One watch that needs no thread. Told of its end exactly once; destroyed after that.
class Watcher final : public grpc::ClientReadReactor<v1::Event> {
 public:
  Watcher(JobCaller& caller, const std::string& job) {
    request_.set_name(job);
    context_.set_wait_for_ready(true);
    caller.jobs().async()->WatchJob(&context_, &request_, this);
    StartRead(&event_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      std::lock_guard lock(mutex_);
      in_order_ = in_order_ && event_.sequence() == last_ + 1;
      last_ = event_.sequence();
      succeeded_ = event_.state_changed().state() == v1::SUCCEEDED;
    }
    StartRead(&event_);
  }

  void OnDone(const grpc::Status& status) override {
    std::lock_guard lock(mutex_);
    status_ = status;
    done_ = true;
    ended_.notify_all();
  }

  void Vanish() { context_.TryCancel(); }

  void Await() {
    std::unique_lock lock(mutex_);
    ended_.wait_for(lock, kPatience, [this] { return done_; });
    EXPECT_TRUE(done_);
  }

  int64_t last() {
    std::lock_guard lock(mutex_);
    return last_;
  }

  // It was told everything, once and in order, and that this is all.
  bool SawTheEnd() {
    std::lock_guard lock(mutex_);
    return done_ && status_.ok() && in_order_ && succeeded_;
  }

 private:
  grpc::ClientContext context_;
  v1::WatchJobRequest request_;
  v1::Event event_;

  std::mutex mutex_;
  std::condition_variable ended_;
  // Guarded by mutex_.
  int64_t last_ = 0;
  bool in_order_ = true, succeeded_ = false, done_ = false;
  grpc::Status status_;
};

TEST_F(ClientsTest, AThousandWatchersSeeAJobToItsEndAndThoseWhoVanishCostNothing) {
  constexpr int kWatchers = 1000, kConnections = 20;
  const fs::path gate = folder_ / "gate";
  ASSERT_TRUE(JobCaller(service_->address()).TryUpload("a first call").ok());
  const int descriptors = OpenDescriptors(service_->pid());
  std::vector<std::unique_ptr<JobCaller>> callers;
  for (int i = 0; i < kConnections; ++i) callers.push_back(std::make_unique<JobCaller>(service_->address()));
  v1::Job job;
  const std::string fake = R"({"sublayers": 12, "wait_at": 6, "wait_for": ")" + gate.string() + "\"}";
  const grpc::Status created = callers[0]->TryCreate(fake, "one", &job);
  ASSERT_TRUE(created.ok()) << created.error_message();
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < kWatchers; ++i) {
    watchers.push_back(std::make_unique<Watcher>(*callers[i % kConnections], job.name()));
  }
  for (const auto& watcher : watchers) ASSERT_TRUE(Eventually([&] { return watcher->last() >= 3; }));
  const int threads = Threads(service_->pid());
  for (int i = 0; i < kWatchers; i += 10) watchers[i]->Vanish();
  WriteFile(gate, "open");
  int saw = 0;
  for (int i = 0; i < kWatchers; ++i) {
    watchers[i]->Await();
    if (i % 10 != 0) saw += watchers[i]->SawTheEnd();
  }
  EXPECT_EQ(saw, kWatchers - kWatchers / 10);
  EXPECT_LT(threads, 100) << "a watcher is no thread";
  watchers.clear();
  callers.clear();
  EXPECT_TRUE(Eventually([&] { return OpenDescriptors(service_->pid()) < descriptors + kConnections / 2; }))
      << OpenDescriptors(service_->pid()) << " of " << descriptors;
}

class SlowClientsTest : public ClientsTest {
 protected:
  SlowClientsTest() : ClientsTest({"--stream-stall-seconds", "1"}) {}
};

TEST_F(SlowClientsTest, AnUploadThatStopsIsEndedAndAnotherGoesOnFromItsBytes) {
  JobCaller slow(service_->address()), other(service_->address());
  const std::string bytes(1000, 'x');
  grpc::ClientContext context;
  v1::UploadResponse response;
  const auto writer = slow.artifacts().Upload(&context, &response);
  v1::UploadRequest request;
  request.mutable_header()->set_sha256(Sha256Of(bytes));
  request.mutable_header()->set_size(1000);
  ASSERT_TRUE(writer->Write(request));
  request.set_chunk(bytes.substr(0, 400));
  ASSERT_TRUE(writer->Write(request));
  // It says nothing more, and the other is refused as long as it is there.
  ASSERT_TRUE(Eventually([&] {
    grpc::ClientContext query;
    v1::QueryUploadRequest of;
    of.set_sha256(Sha256Of(bytes));
    v1::QueryUploadResponse state;
    return other.artifacts().QueryUpload(&query, of, &state).ok() && state.committed_size() == 400;
  })) << "what it sent is committed when it is ended";
  grpc::ClientContext second;
  const auto rest = other.artifacts().Upload(&second, &response);
  request.mutable_header()->set_sha256(Sha256Of(bytes));
  request.mutable_header()->set_size(1000);
  request.mutable_header()->set_offset(400);
  rest->Write(request);
  request.set_chunk(bytes.substr(400));
  rest->Write(request);
  rest->WritesDone();
  EXPECT_TRUE(rest->Finish().ok());
  EXPECT_EQ(writer->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(SlowClientsTest, ADownloadThatIsNotReadHoldsItsFileNotForEver) {
  JobCaller caller(service_->address());
  std::string bytes(16 << 20, 'y');
  for (size_t at = 0; at < bytes.size(); at += 1 << 20) bytes[at] = static_cast<char>('a' + (at >> 20));
  grpc::ClientContext upload;
  v1::UploadResponse response;
  const auto writer = caller.artifacts().Upload(&upload, &response);
  v1::UploadRequest chunk;
  chunk.mutable_header()->set_sha256(Sha256Of(bytes));
  chunk.mutable_header()->set_size(static_cast<int64_t>(bytes.size()));
  writer->Write(chunk);
  for (size_t at = 0; at < bytes.size(); at += 1 << 20) {
    chunk.set_chunk(bytes.substr(at, 1 << 20));
    writer->Write(chunk);
  }
  writer->WritesDone();
  ASSERT_TRUE(writer->Finish().ok());

  const fs::path descriptors = ProcOf(service_->pid()) / "fd";
  const auto reading = [&] {
    int count = 0;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator(descriptors)) {
      count += fs::read_symlink(entry.path(), gone).string().find("/objects/") != std::string::npos;
    }
    return count;
  };
  grpc::ClientContext context;
  v1::DownloadRequest request;
  request.set_sha256(Sha256Of(bytes));
  const auto reader = caller.artifacts().Download(&context, request);
  v1::DownloadResponse first;
  ASSERT_TRUE(reader->Read(&first));
  EXPECT_TRUE(Eventually([&] { return reading() == 1; })) << "it is being sent";
  EXPECT_TRUE(Eventually([&] { return reading() == 0; })) << "nobody takes it";
  while (reader->Read(&first)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(SlowClientsTest, WatchersThatReadNothingAreEndedAndHoldLittleMeanwhile) {
  constexpr int kStuck = 16, kWarnings = 1000;
  const fs::path gate = folder_ / "gate";
  // A client that is sent no more than it asks for: gRPC's own would take megabytes for one who does not
  // read.
  grpc::ChannelArguments modest;
  modest.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  JobCaller caller(service_->address()), slow(service_->address(), modest);
  v1::Job job;
  const std::string fake = R"({"sublayers": 2, "wait_at": 1, "warnings": )" + std::to_string(kWarnings) +
                           R"(, "wait_for": ")" + gate.string() + "\"}";
  const grpc::Status created = caller.TryCreate(fake, "one", &job);
  ASSERT_TRUE(created.ok()) << created.error_message();
  Watcher good(caller, job.name());
  ASSERT_TRUE(Eventually([&] { return good.last() > kWarnings; }));

  const int64_t before = ResidentBytes(service_->pid());
  int64_t most = before;
  grpc::ClientContext contexts[kStuck];
  std::vector<std::unique_ptr<grpc::ClientReader<v1::Event>>> stuck;
  v1::WatchJobRequest request;
  request.set_name(job.name());
  for (grpc::ClientContext& context : contexts) stuck.push_back(slow.jobs().WatchJob(&context, request));
  ASSERT_TRUE(Eventually([&] {
    most = std::max(most, ResidentBytes(service_->pid()));
    return CountOf("stream-stalled", service_->Log()) == kStuck;
  })) << service_->Log();
  std::printf("%d watchers that read nothing of 4 MiB: %.1f MiB\n", kStuck,
              static_cast<double>(most - before) / (1 << 20));
  // A hundred events each, and what gRPC has of them on its way; all of them would be 64 MiB.
  EXPECT_LT(most - before, 24 << 20);
  for (const auto& reader : stuck) {
    int told = 0;
    for (v1::Event event; reader->Read(&event);) ++told;
    EXPECT_LT(told, kWarnings);
    EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  WriteFile(gate, "open");
  good.Await();
  EXPECT_TRUE(good.SawTheEnd()) << "a watcher that reads is told everything meanwhile";
}

// Calls of every kind that end badly: cancelled in the middle, too late, wrong.
class RudeCaller {
 public:
  RudeCaller(const std::string& address, std::string job, unsigned seed)
      : caller_(address), job_(std::move(job)), random_(seed) {}

  void Call() {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    switch (random_() % 7) {
      case 0:
        return BreakUpload(context, /*says_so=*/false);
      case 1:
        return BreakUpload(context, /*says_so=*/true);
      case 2:
        return BreakDownload(context);
      case 3:
        return BreakWatch(context);
      case 4: {  // too late before it begins, or while it is answered
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::microseconds(random_() % 2000));
        v1::ListJobsResponse page;
        caller_.jobs().ListJobs(&context, v1::ListJobsRequest(), &page);
        return;
      }
      case 5: {
        v1::CreateJobRequest request;
        *request.mutable_spec()->add_model() = JobCaller::FileOf("config.json", "nobody sent it");
        v1::Job job;
        EXPECT_FALSE(caller_.jobs().CreateJob(&context, request, &job).ok());
        return;
      }
      default: {
        v1::GetJobRequest request;
        request.set_name("jobs/0123456789abcdef");
        v1::Job job;
        EXPECT_EQ(caller_.jobs().GetJob(&context, request, &job).error_code(), grpc::StatusCode::NOT_FOUND);
      }
    }
  }

 private:
  void BreakUpload(grpc::ClientContext& context, bool says_so) {
    v1::UploadResponse response;
    const auto writer = caller_.artifacts().Upload(&context, &response);
    v1::UploadRequest request;
    const std::string bytes = std::to_string(random_());
    request.mutable_header()->set_sha256(Sha256Of(bytes));
    request.mutable_header()->set_size(static_cast<int64_t>(bytes.size()) + 1);
    writer->Write(request);
    request.set_chunk(bytes);
    if (random_() % 2 == 0) writer->Write(request);
    says_so ? static_cast<void>(writer->WritesDone()) : context.TryCancel();
    EXPECT_FALSE(writer->Finish().ok());
  }

  void BreakDownload(grpc::ClientContext& context) {
    v1::DownloadRequest request;
    request.set_sha256(Sha256Of("{\"text\": \"a sentence\"}\n"));
    const auto reader = caller_.artifacts().Download(&context, request);
    v1::DownloadResponse response;
    if (random_() % 2 == 0) reader->Read(&response);
    context.TryCancel();
    reader->Finish();
  }

  void BreakWatch(grpc::ClientContext& context) {
    v1::WatchJobRequest request;
    request.set_name(job_);
    const auto reader = caller_.jobs().WatchJob(&context, request);
    v1::Event event;
    if (random_() % 2 == 0) reader->Read(&event);
    context.TryCancel();
    reader->Finish();
  }

  JobCaller caller_;
  const std::string job_;
  std::mt19937 random_;
};

TEST_F(ClientsTest, TenThousandCallsThatEndBadlyLeaveNothingBehind) {
  constexpr int kCallers = 8;
  JobCaller steady(service_->address());
  v1::Job job;
  ASSERT_TRUE(steady.TryCreate(R"({"hang": true})", "steady", &job).ok());
  const auto call = [&](int calls, unsigned seed) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < kCallers; ++i) {
      threads.emplace_back([&, i] {
        RudeCaller rude(service_->address(), job.name(), seed * kCallers + i);
        for (int n = 0; n < calls / kCallers; ++n) rude.Call();
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  const pid_t server = service_->pid();
  const int calls = ShortOrLong(2000, 10000);
  call(calls / 2, 1);  // threads and buffers that it keeps are made
  const int descriptors = OpenDescriptors(server), threads = Threads(server);
  const int64_t memory = ResidentBytes(server);
  call(calls, 2);
  // The long form goes on for ten minutes.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(ShortOrLong(0, 600));
  int total = calls;
  for (unsigned seed = 3; std::chrono::steady_clock::now() < end; ++seed, total += calls) call(calls, seed);
  EXPECT_TRUE(Eventually([&] { return OpenDescriptors(server) <= descriptors; }))
      << OpenDescriptors(server) << " of " << descriptors;
  EXPECT_TRUE(Eventually([&] { return Threads(server) <= threads + kCallers; }))
      << Threads(server) << " of " << threads;
  const int64_t grown = ResidentBytes(server) - memory;
  EXPECT_LT(grown, 32 << 20);
  std::printf("%d calls; descriptors %d -> %d, threads %d -> %d, memory %+.1f MiB of %.1f\n", total,
              descriptors, OpenDescriptors(server), threads, Threads(server),
              static_cast<double>(grown) / (1 << 20), static_cast<double>(memory) / (1 << 20));
  // Nothing holds on to a digest either.
  EXPECT_TRUE(steady.TryUpload("something else").ok());
}

}  // namespace
}  // namespace kprune::testing
