// JobService over real gRPC on loopback, with the SQLite queue and a worker process that speaks the protocol.
#include "server/rpc/job_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/in_memory_artifact_store.h"
#include "server/jobs/process_worker_launcher.h"
#include "server/jobs/sqlite_job_store.h"
#include "server/jobs/system_clock.h"
#include "tests/fakes/recording_metrics.h"
#include "tests/support/await_job.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using grpc::StatusCode;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// All of a server that jobs need, on an ephemeral port.
class JobServiceTest : public testing::Test {
 protected:
  JobServiceTest() { StartServer(); }
  ~JobServiceTest() override { StopServer(); }

  void StartServer() {
    auto opened = OpenSqliteJobStore(folder_.path() / "jobs.db", store_options_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
    SupervisorOptions supervisor_options;
    supervisor_options.data_dir = folder_.path();
    supervisor_options.grace_period = absl::Milliseconds(200);
    supervisor_ = std::make_unique<Supervisor>(
        SupervisorContext{*store_, artifacts_, references_, launcher_, clock_, metrics_}, supervisor_options);
    preflight_ = std::make_unique<PreflightRunner>(artifacts_, launcher_, clock_,
                                                   PreflightOptions{folder_.path(), preflight_limit_});
    manager_ = std::make_unique<JobManager>(
        JobManagerContext{*store_, artifacts_, references_, *preflight_, *supervisor_, clock_, metrics_},
        JobManagerOptions{8, {"cpu"}});
    service_ = std::make_unique<JobServiceImpl>(*manager_, *store_, service_options_);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    stub_ = v1::JobService::NewStub(
        grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  }

  void StopServer() {
    if (!server_) return;
    service_->EndWatches();
    server_->Shutdown();
    server_.reset();
    service_.reset();
    supervisor_.reset();
    manager_.reset();
    preflight_.reset();
    store_.reset();
  }

  void RestartServer() {
    StopServer();
    StartServer();
  }

  // Jobs stay QUEUED until this is called.
  void StartWorkers() { ASSERT_TRUE(supervisor_->Start().ok()); }

  void Add(google::protobuf::RepeatedPtrField<v1::File>* files, const std::string& name,
           const std::string& bytes) {
    const Artifact artifact = artifacts_.Put(bytes);
    v1::File* const file = files->Add();
    file->set_name(name);
    file->set_sha256(artifact.sha256);
    file->set_size(artifact.size_bytes);
  }

  // A request that is accepted, for a worker that behaves as `fake` says.
  v1::CreateJobRequest Request(const json& fake = json::object()) {
    v1::CreateJobRequest request;
    v1::JobSpec* const spec = request.mutable_spec();
    Add(spec->mutable_model(), "config.json", json{{"model_type", "bert"}, {"fake", fake}}.dump());
    Add(spec->mutable_model(), "model.safetensors", "weights");
    Add(spec->mutable_data(), "samples.jsonl", "{\"text\": \"a\"}\n");
    spec->mutable_options()->set_keep_flops(0.25);
    return request;
  }

  grpc::Status Create(const v1::CreateJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return stub_->CreateJob(&context, request, job);
  }

  v1::Job MustCreate(const v1::CreateJobRequest& request) {
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }

  void ExpectRefused(const v1::CreateJobRequest& request, StatusCode code, const std::string& sentence) {
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), HasSubstr(sentence));
    EXPECT_THAT(ListAll(), IsEmpty()) << "a refused job was queued";
  }

  std::vector<std::string> ListAll(int page_size = 0) {
    std::vector<std::string> names;
    v1::ListJobsRequest request;
    request.set_page_size(page_size);
    do {
      grpc::ClientContext context;
      v1::ListJobsResponse response;
      const grpc::Status status = stub_->ListJobs(&context, request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      for (const v1::Job& job : response.jobs()) names.push_back(job.name());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return names;
  }

  // Reads at most `limit` events and hangs up; `status` gets how the stream ended.
  std::vector<v1::Event> Watch(const std::string& name, int64_t after, int limit,
                               grpc::Status* status = nullptr) {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_name(name);
    request.set_after_sequence(after);
    auto reader = stub_->WatchJob(&context, request);
    std::vector<v1::Event> events;
    v1::Event event;
    while (static_cast<int>(events.size()) < limit && reader->Read(&event)) events.push_back(event);
    if (static_cast<int>(events.size()) == limit) context.TryCancel();
    const grpc::Status end = reader->Finish();
    if (status != nullptr) *status = end;
    return events;
  }

  grpc::Status Get(const std::string& name, v1::Job* job) {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(name);
    return stub_->GetJob(&context, request, job);
  }

  grpc::Status Cancel(const std::string& name, v1::Job* job) {
    grpc::ClientContext context;
    v1::CancelJobRequest request;
    request.set_name(name);
    return stub_->CancelJob(&context, request, job);
  }

  grpc::Status Retry(const std::string& name, v1::Job* job) {
    grpc::ClientContext context;
    v1::RetryJobRequest request;
    request.set_name(name);
    return stub_->RetryJob(&context, request, job);
  }

  grpc::Status Delete(const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteJobRequest request;
    request.set_name(name);
    google::protobuf::Empty empty;
    return stub_->DeleteJob(&context, request, &empty);
  }

  static std::string Id(const v1::Job& job) { return job.name().substr(5); }

  TempDirectory folder_;
  JobStoreOptions store_options_;
  JobServiceOptions service_options_;
  absl::Duration preflight_limit_ = absl::Minutes(1);
  InMemoryArtifactStore artifacts_;
  ArtifactReferences references_;
  ProcessWorkerLauncher launcher_{std::filesystem::path(KPRUNE_BIN_DIR) / "fake_worker"};
  SystemClock clock_;
  RecordingMetrics metrics_;
  std::unique_ptr<JobStore> store_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<PreflightRunner> preflight_;
  std::unique_ptr<JobManager> manager_;
  std::unique_ptr<JobServiceImpl> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::JobService::Stub> stub_;
};

TEST_F(JobServiceTest, Examples) {
  StartWorkers();
  v1::CreateJobRequest request = Request({{"sublayers", 2}});
  request.set_request_id("2f0c2c1e");
  const v1::Job created = MustCreate(request);
  EXPECT_THAT(created.name(), testing::StartsWith("jobs/"));
  EXPECT_EQ(created.preflight().family(), "bert");
  EXPECT_EQ(created.preflight().tokens(), 64);
  EXPECT_EQ(created.spec().options().keep_flops(), 0.25);
  EXPECT_FALSE(created.spec().options().has_seed()) << "what was not set stays unset";

  // Every event, in order, until the job's end.
  grpc::Status status;
  const std::vector<v1::Event> events = Watch(created.name(), 0, 1000, &status);
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
  ASSERT_GT(events.size(), 4u);
  EXPECT_EQ(events[0].state_changed().state(), v1::QUEUED);
  EXPECT_EQ(events[1].state_changed().state(), v1::RUNNING);
  EXPECT_EQ(events[3].sublayer().kind(), v1::SublayerPruned::ATTENTION);
  EXPECT_EQ(events[3].sublayer().kept(), 6);
  EXPECT_EQ(events[3].sublayer().seconds().tune(), 0.5);
  EXPECT_EQ(events.back().state_changed().state(), v1::SUCCEEDED);

  v1::Job done;
  ASSERT_TRUE(Get(created.name(), &done).ok());
  EXPECT_EQ(done.state(), v1::SUCCEEDED);
  EXPECT_EQ(done.progress(), 1);
  EXPECT_EQ(done.result_size(), 3);
  EXPECT_GE(done.end_time().seconds(), done.create_time().seconds());
}

TEST_F(JobServiceTest, ValidateOnlyChecksAndQueuesNothing) {
  v1::CreateJobRequest request = Request();
  request.set_validate_only(true);
  const v1::Job job = MustCreate(request);
  EXPECT_EQ(job.name(), "");
  EXPECT_EQ(job.state(), v1::JOB_STATE_UNSPECIFIED);
  EXPECT_EQ(job.preflight().task(), "text-classification");
  EXPECT_THAT(ListAll(), IsEmpty());
}

TEST_F(JobServiceTest, TheWorkersPreflightErrorIsPassedOn) {
  ExpectRefused(
      Request({{"preflight_fail", "FAILED_PRECONDITION: keep_flops 0.25 cannot be reached: 0.3 to 1 can."}}),
      StatusCode::FAILED_PRECONDITION, "keep_flops 0.25 cannot be reached: 0.3 to 1 can.");
  v1::CreateJobRequest request =
      Request({{"preflight_fail", "INVALID_ARGUMENT: model_type \"gpt2\" is unknown."}});
  request.set_validate_only(true);
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "model_type \"gpt2\" is unknown.");
}

TEST_F(JobServiceTest, APreflightThatHangsIsEnded) {
  StopServer();
  preflight_limit_ = absl::Milliseconds(200);
  StartServer();
  ExpectRefused(Request({{"preflight_hang", true}, {"ignore_sigterm", true}}), StatusCode::DEADLINE_EXCEEDED,
                "took longer than 200ms");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "preflight"));
}

TEST_F(JobServiceTest, NamesOutsideTheAllowListAreRefused) {
  for (const char* name :
       {"../config.json", "/etc/passwd", "a/b/config.json", "evil.py", "", ".hidden", "modeling_x.py"}) {
    v1::CreateJobRequest request = Request();
    Add(request.mutable_spec()->mutable_model(), name, "x");
    ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "spec.model");
  }
  v1::CreateJobRequest request = Request();
  Add(request.mutable_spec()->mutable_data(), "sub/samples.jsonl", "x");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "spec.data file name \"sub/samples.jsonl\"");
  request = Request();
  Add(request.mutable_spec()->mutable_eval(), "dev.csv", "x");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "spec.eval file name \"dev.csv\"");
}

TEST_F(JobServiceTest, OnlySafetensorsAreAccepted) {
  for (const char* name :
       {"pytorch_model.bin", "model.pt", "model.pth", "model.pkl", "archive.zip", "model.gguf", "M.BIN"}) {
    v1::CreateJobRequest request = Request();
    Add(request.mutable_spec()->mutable_model(), name, "x");
    ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "safetensors only");
  }
}

TEST_F(JobServiceTest, AFileNamedTwiceIsRefused) {
  v1::CreateJobRequest request = Request();
  Add(request.mutable_spec()->mutable_model(), "config.json", "other");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "\"config.json\" twice");
}

TEST_F(JobServiceTest, AModelNeedsItsConfigItsWeightsAndData) {
  v1::CreateJobRequest request = Request();
  request.mutable_spec()->mutable_model()->DeleteSubrange(0, 1);
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "no config.json");
  request = Request();
  request.mutable_spec()->mutable_model()->DeleteSubrange(1, 1);
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "no weights");
  request = Request();
  request.mutable_spec()->clear_data();
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "spec.data is empty");
  ExpectRefused({}, StatusCode::INVALID_ARGUMENT, "no config.json");
}

TEST_F(JobServiceTest, MalformedDigestsAndSizesAreRefused) {
  v1::CreateJobRequest request = Request();
  request.mutable_spec()->mutable_data(0)->set_sha256("ABC");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "64 lower-case hexadecimal digits");
  for (const int64_t size : {int64_t{0}, int64_t{-5}}) {
    request = Request();
    request.mutable_spec()->mutable_data(0)->set_size(size);
    ExpectRefused(request, StatusCode::INVALID_ARGUMENT, absl::StrCat("samples.jsonl has size ", size));
  }
  request = Request();
  request.mutable_spec()->mutable_data(0)->set_size(1000);
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "declared with 1000 bytes");
}

TEST_F(JobServiceTest, AJobBeforeItsUploadNamesTheMissingFile) {
  v1::CreateJobRequest request = Request();
  request.mutable_spec()->mutable_data(0)->set_sha256(std::string(64, '0'));
  ExpectRefused(request, StatusCode::FAILED_PRECONDITION, "samples.jsonl is not uploaded");
}

TEST_F(JobServiceTest, TooManyFilesAndUnknownDevicesAreRefused) {
  v1::CreateJobRequest request = Request();
  for (int i = 0; i < 8; ++i)
    Add(request.mutable_spec()->mutable_data(), absl::StrCat("more-", i, ".jsonl"), "x");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "at most 8");
  request = Request();
  request.mutable_spec()->mutable_options()->set_device("cuda:7");
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "cuda:7");
}

TEST_F(JobServiceTest, ARequestIdIsAnsweredOnceAndBelongsToItsBody) {
  v1::CreateJobRequest request = Request();
  request.set_request_id("once");
  const v1::Job first = MustCreate(request);
  EXPECT_EQ(MustCreate(request).name(), first.name());
  EXPECT_EQ(ListAll().size(), 1u);
  request.mutable_spec()->mutable_options()->set_keep_flops(0.75);
  v1::Job job;
  const grpc::Status other = Create(request, &job);
  EXPECT_EQ(other.error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(other.error_message(), HasSubstr(first.name()));
  request.set_request_id(std::string(129, 'x'));
  EXPECT_EQ(Create(request, &job).error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(JobServiceTest, AFullQueueIsResourceExhausted) {
  StopServer();
  store_options_.max_queued_jobs = 2;
  StartServer();
  MustCreate(Request());
  MustCreate(Request());
  v1::Job job;
  const grpc::Status status = Create(Request(), &job);
  EXPECT_EQ(status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(status.error_message(), HasSubstr("2 jobs"));
}

TEST_F(JobServiceTest, ADrainingServerAcceptsNoJob) {
  const v1::Job job = MustCreate(Request());
  manager_->StopAccepting();
  v1::Job refused;
  EXPECT_EQ(Create(Request(), &refused).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_EQ(Retry(job.name(), &refused).error_code(), StatusCode::UNAVAILABLE);
  EXPECT_TRUE(Get(job.name(), &refused).ok());
}

TEST_F(JobServiceTest, MalformedAndUnknownNames) {
  v1::Job job;
  for (const char* name : {"", "jobs/", "jobs/../x", "job/1", "jobs/a/b", "jobs/x'--"}) {
    EXPECT_EQ(Get(name, &job).error_code(), StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(Cancel(name, &job).error_code(), StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(Retry(name, &job).error_code(), StatusCode::INVALID_ARGUMENT) << name;
    EXPECT_EQ(Delete(name).error_code(), StatusCode::INVALID_ARGUMENT) << name;
    grpc::Status status;
    Watch(name, 0, 10, &status);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << name;
  }
  EXPECT_EQ(Get("jobs/nobody", &job).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Cancel("jobs/nobody", &job).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Retry("jobs/nobody", &job).error_code(), StatusCode::NOT_FOUND);
  EXPECT_EQ(Delete("jobs/nobody").error_code(), StatusCode::NOT_FOUND);
  grpc::Status status;
  Watch("jobs/nobody", 0, 10, &status);
  EXPECT_EQ(status.error_code(), StatusCode::NOT_FOUND);
  Watch(MustCreate(Request()).name(), -1, 10, &status);
  EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
}

TEST_F(JobServiceTest, CancelRetryAndDeleteFollowTheStates) {
  const v1::Job created = MustCreate(Request());
  v1::Job job;
  EXPECT_EQ(Retry(created.name(), &job).error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Delete(created.name()).error_code(), StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(Cancel(created.name(), &job).ok());
  EXPECT_EQ(job.state(), v1::CANCELLED);
  EXPECT_EQ(Cancel(created.name(), &job).error_code(), StatusCode::FAILED_PRECONDITION);
  ASSERT_TRUE(Retry(created.name(), &job).ok());
  EXPECT_EQ(job.state(), v1::QUEUED);
  ASSERT_TRUE(Cancel(created.name(), &job).ok());
  ASSERT_TRUE(Delete(created.name()).ok());
  EXPECT_EQ(Get(created.name(), &job).error_code(), StatusCode::NOT_FOUND);
}

TEST_F(JobServiceTest, ARunningJobIsCancelledAndItsWatchEnds) {
  StartWorkers();
  const v1::Job created = MustCreate(Request({{"hang", true}, {"ignore_sigterm", true}}));
  AwaitJob(*store_, Id(created), [](const JobRecord& job) { return job.progress > 0; });
  v1::Job job;
  ASSERT_TRUE(Cancel(created.name(), &job).ok());
  grpc::Status status;
  const std::vector<v1::Event> events = Watch(created.name(), 0, 1000, &status);
  EXPECT_TRUE(status.ok());
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().state_changed().state(), v1::CANCELLED);
}

TEST_F(JobServiceTest, DeletingAJobKeepsWhatOthersStillNeed) {
  const v1::Job mine = MustCreate(Request({{"mine", 1}}));
  const v1::Job other = MustCreate(Request({{"other", 2}}));
  v1::Job job;
  ASSERT_TRUE(Cancel(mine.name(), &job).ok());
  ASSERT_TRUE(Delete(mine.name()).ok());
  EXPECT_FALSE(artifacts_.Query(mine.spec().model(0).sha256())->complete)
      << "only that job had this config.json";
  for (const v1::File& file : other.spec().model()) {
    EXPECT_TRUE(artifacts_.Query(file.sha256())->complete) << file.name();
  }
}

TEST_F(JobServiceTest, AFailedJobTellsItsError) {
  StartWorkers();
  const v1::Job created = MustCreate(Request({{"fail", "INVALID_ARGUMENT: Tensor x has a NaN."}}));
  AwaitFinished(*store_, Id(created));
  v1::Job job;
  ASSERT_TRUE(Get(created.name(), &job).ok());
  EXPECT_EQ(job.state(), v1::FAILED);
  EXPECT_EQ(job.error().code(), "INVALID_ARGUMENT");
  EXPECT_EQ(job.error().message(), "Tensor x has a NaN.");
  EXPECT_EQ(Watch(created.name(), 0, 1000).back().state_changed().error().message(), "Tensor x has a NaN.");
}

TEST_F(JobServiceTest, AWatcherThatReconnectsAlsoOverARestartGetsEveryEventOnce) {
  const std::string gate = folder_.path() / "gate";
  StartWorkers();
  const v1::Job created = MustCreate(Request({{"sublayers", 6}, {"wait_for", gate}}));
  std::vector<v1::Event> seen = Watch(created.name(), 0, 2);
  ASSERT_EQ(seen.size(), 2u);
  RestartServer();
  StartWorkers();
  std::ofstream(gate) << "open";
  // One event a connection.
  grpc::Status status;
  while (seen.size() < 1000) {
    const std::vector<v1::Event> next = Watch(created.name(), seen.back().sequence(), 1, &status);
    if (next.empty()) break;
    seen.push_back(next[0]);
  }
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i].sequence(), static_cast<int64_t>(i) + 1);
  EXPECT_EQ(seen.back().state_changed().state(), v1::SUCCEEDED);
  EXPECT_EQ(seen.back().state_changed().attempt(), 2);
  std::vector<std::string> all_at_once, one_by_one;
  for (const v1::Event& event : Watch(created.name(), 0, 1000))
    all_at_once.push_back(event.SerializeAsString());
  for (const v1::Event& event : seen) one_by_one.push_back(event.SerializeAsString());
  EXPECT_EQ(one_by_one, all_at_once);
}

TEST_F(JobServiceTest, ManyWatchersSeeAJobLiveToItsEnd) {
  const v1::Job created = MustCreate(Request({{"sublayers", 12}}));
  std::vector<std::thread> watchers;
  std::vector<std::vector<v1::Event>> seen(32);
  for (auto& events : seen) {
    watchers.emplace_back([&] { events = Watch(created.name(), 0, 100000); });
  }
  StartWorkers();
  for (std::thread& watcher : watchers) watcher.join();
  for (const auto& events : seen) {
    ASSERT_EQ(events.size(), seen[0].size());
    for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i].sequence(), static_cast<int64_t>(i) + 1);
    EXPECT_EQ(events.back().state_changed().state(), v1::SUCCEEDED);
  }
}

TEST_F(JobServiceTest, AWatchOfAJobThatIsDeletedEnds) {
  const v1::Job created = MustCreate(Request());
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_name(created.name());
  auto reader = stub_->WatchJob(&context, request);
  v1::Event event;
  ASSERT_TRUE(reader->Read(&event));
  v1::Job job;
  ASSERT_TRUE(Cancel(created.name(), &job).ok());
  ASSERT_TRUE(Delete(created.name()).ok());
  while (reader->Read(&event)) {
  }
  const StatusCode code = reader->Finish().error_code();
  EXPECT_TRUE(code == StatusCode::OK || code == StatusCode::NOT_FOUND) << code;
}

TEST_F(JobServiceTest, AServerThatShutsDownTellsItsWatchers) {
  const v1::Job created = MustCreate(Request());
  grpc::ClientContext context;
  v1::WatchJobRequest request;
  request.set_name(created.name());
  auto reader = stub_->WatchJob(&context, request);
  v1::Event event;
  ASSERT_TRUE(reader->Read(&event));
  service_->EndWatches();
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(JobServiceTest, AThousandJobsListInPagesNewestFirst) {
  std::vector<std::string> newest_first;
  for (int i = 0; i < 1000; ++i) {
    NewJob job;
    job.input.model = {{"config.json", std::string(64, 'a'), 1}};
    newest_first.insert(newest_first.begin(), "jobs/" + store_->Create(job, clock_.Now())->job.id);
  }
  EXPECT_EQ(ListAll(), newest_first);
  EXPECT_EQ(ListAll(333), newest_first);
}

TEST_F(JobServiceTest, ListingRefusesWhatItCannotMean) {
  auto list = [&](int page_size, const std::string& token, int state) {
    grpc::ClientContext context;
    v1::ListJobsRequest request;
    v1::ListJobsResponse response;
    request.set_page_size(page_size);
    request.set_page_token(token);
    if (state >= 0) request.add_states(static_cast<v1::JobState>(state));
    return stub_->ListJobs(&context, request, &response).error_code();
  };
  EXPECT_EQ(list(-1, "", -1), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(list(10, "garbage", -1), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(list(10, "", v1::JOB_STATE_UNSPECIFIED), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(list(10, "", 99), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(list(100000, "", v1::QUEUED), StatusCode::OK);
}

TEST_F(JobServiceTest, TooManyChecksAtOnceAreTurnedAway) {
  StopServer();
  service_options_.preflight_threads = 1;
  service_options_.max_creates = 1;
  StartServer();
  const std::string gate = folder_.path() / "checking";
  std::thread slow([&] {
    v1::Job job;
    Create(Request({{"preflight_touch", gate}, {"preflight_wait_for", gate + "-open"}}), &job);
  });
  while (!std::filesystem::exists(gate)) std::this_thread::yield();
  v1::Job job;
  EXPECT_EQ(Create(Request(), &job).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  std::ofstream(gate + "-open") << "open";
  slow.join();
  EXPECT_EQ(ListAll().size(), 1u);
}

}  // namespace
}  // namespace kprune
