// kprune-server as a process, with a stand-in for its worker.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "kprune/v1/artifact_service.grpc.pb.h"
#include "kprune/v1/job_service.grpc.pb.h"
#include "kprune/v1/server_service.grpc.pb.h"
#include "server/artifacts/sha256.h"
#include "tests/server/raw_call.h"
#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using testing::Eventually;
using ::testing::HasSubstr;
using testing::Health;
using testing::Process;
using testing::ReadFile;

class ServerProcessTest : public ::testing::Test {
 protected:
  std::unique_ptr<Process> Launch(std::vector<std::string> more = {}) {
    std::vector<std::string> command = {fs::path(KPRUNE_BIN_DIR) / "kprune-server",
                                        "--listen",
                                        "127.0.0.1:0",
                                        "--metrics-listen",
                                        "127.0.0.1:0",
                                        "--port-file",
                                        folder_ / "port",
                                        "--metrics-port-file",
                                        folder_ / "metrics-port",
                                        "--data-dir",
                                        folder_ / "data",
                                        "--worker",
                                        fs::path(KPRUNE_BIN_DIR) / "fake_worker"};
    command.insert(command.end(), more.begin(), more.end());
    return std::make_unique<Process>(command, folder_ / ("server-" + std::to_string(++launches_)));
  }

  void Serve(const std::vector<std::string>& more = {}) {
    server_ = Launch(more);
    ASSERT_TRUE(Eventually([&] { return !ReadFile(folder_ / "port").empty() || !server_->Running(); }));
    ASSERT_TRUE(server_->Running()) << server_->Errors();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(std::stoi(ReadFile(folder_ / "port"))),
                                   grpc::InsecureChannelCredentials());
  }

  std::string Scrape() {
    return testing::HttpGet("127.0.0.1:" + std::to_string(std::stoi(ReadFile(folder_ / "metrics-port"))),
                            "/metrics");
  }

  // Uploads `bytes` and returns them as a file of a manifest.
  v1::File Upload(const std::string& name, const std::string& bytes) {
    Sha256 hash;
    hash.Update(bytes);
    v1::File file;
    file.set_name(name);
    file.set_sha256(hash.HexDigest());
    file.set_size(static_cast<int64_t>(bytes.size()));
    grpc::ClientContext context;
    v1::UploadResponse response;
    const auto writer = v1::ArtifactService::NewStub(channel_)->Upload(&context, &response);
    v1::UploadRequest request;
    request.mutable_header()->set_sha256(file.sha256());
    request.mutable_header()->set_size(file.size());
    writer->Write(request);
    request.set_chunk(bytes);
    writer->Write(request);
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    return file;
  }

  // A job whose worker never ends by itself; `started` is made once it prunes.
  v1::Job CreateEndlessJob(const fs::path& started) {
    return CreateFakeJob(R"({"hang": true, "touch": ")" + started.string() + "\"}");
  }

  // A job whose worker behaves as `fake` says.
  v1::Job CreateFakeJob(const std::string& fake, const std::string& request_id = "",
                        const std::string& trace_parent = "") {
    v1::CreateJobRequest request;
    *request.mutable_spec()->add_model() = Upload("config.json", R"({"fake": )" + fake + "}");
    *request.mutable_spec()->add_model() = Upload("model.safetensors", "not looked at by the stand-in");
    *request.mutable_spec()->add_data() = Upload("samples.jsonl", "{\"text\": \"a sentence\"}\n");
    request.set_request_id(request_id);
    grpc::ClientContext context;
    if (!trace_parent.empty()) context.AddMetadata("traceparent", trace_parent);
    v1::Job job;
    const grpc::Status status = v1::JobService::NewStub(channel_)->CreateJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }

  v1::Job GetJob(const std::string& name) {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(name);
    v1::Job job;
    const grpc::Status status = v1::JobService::NewStub(channel_)->GetJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }

  testing::TemporaryFolder folder_;
  std::unique_ptr<Process> server_;
  std::shared_ptr<grpc::Channel> channel_;
  int launches_ = 0;
};

TEST_F(ServerProcessTest, ExamplesItServesSaysSoAndEndsOnSigterm) {
  Serve();
  grpc::ClientContext context;
  v1::ServerInfo info;
  ASSERT_TRUE(v1::ServerService::NewStub(channel_)->GetServerInfo(&context, {}, &info).ok());
  ASSERT_EQ(info.devices_size(), 1);
  EXPECT_EQ(info.devices(0).id(), "cpu");
  for (const char* name :
       {"", "kprune.v1.JobService", "kprune.v1.ArtifactService", "kprune.v1.ServerService"}) {
    EXPECT_EQ(Health(channel_, name), "SERVING") << name;
  }
  Upload("config.json", "1234567");
  const std::string page = Scrape();
  EXPECT_THAT(page, HasSubstr("kprune_build_info{version=\"" KPRUNE_VERSION "\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_jobs{state=\"RETRY_WAIT\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("kprune_transfer_bytes_total{direction=\"upload\"} 7\n"));
  EXPECT_THAT(
      page,
      HasSubstr(
          "kprune_rpc_seconds_count{code=\"OK\",method=\"kprune.v1.ServerService/GetServerInfo\"} 1\n"));

  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(), 0) << server_->Errors();
  EXPECT_THAT(server_->Errors(), HasSubstr("event=serving"));
  EXPECT_THAT(server_->Errors(), HasSubstr("event=stopped"));
}

TEST_F(ServerProcessTest, ADrainRequeuesTheRunningJobAndTheNextServerGoesOnWithIt) {
  Serve();
  const fs::path started = folder_ / "started";
  const v1::Job job = CreateEndlessJob(started);
  ASSERT_TRUE(Eventually([&] { return fs::exists(started); })) << server_->Errors();
  EXPECT_THAT(Scrape(), HasSubstr("kprune_jobs{state=\"RUNNING\"} 1\n"));
  // A watcher must not hold the shutdown up.
  grpc::ClientContext context;
  v1::WatchJobRequest watch;
  watch.set_name(job.name());
  const auto events = v1::JobService::NewStub(channel_)->WatchJob(&context, watch);
  v1::Event event;
  ASSERT_TRUE(events->Read(&event));

  server_->Signal(SIGTERM);
  while (events->Read(&event)) {
  }
  EXPECT_EQ(events->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(server_->Wait(), 0) << server_->Errors();

  fs::remove(started);
  fs::remove(folder_ / "port");
  Serve();
  ASSERT_TRUE(Eventually([&] { return fs::exists(started); })) << server_->Errors();
  EXPECT_EQ(GetJob(job.name()).state(), v1::RUNNING);
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(), 0) << server_->Errors();
}

TEST_F(ServerProcessTest, AnUploadSurvivesAKilledServer) {
  Serve();
  const std::string bytes(100, 'x');
  const v1::File file = Upload("config.json", bytes);
  server_->Signal(SIGKILL);
  EXPECT_EQ(server_->Wait(), 128 + SIGKILL);
  fs::remove(folder_ / "port");
  Serve();
  grpc::ClientContext context;
  v1::QueryUploadRequest request;
  request.set_sha256(file.sha256());
  v1::QueryUploadResponse response;
  ASSERT_TRUE(v1::ArtifactService::NewStub(channel_)->QueryUpload(&context, request, &response).ok());
  EXPECT_TRUE(response.complete());
}

TEST_F(ServerProcessTest, AKilledServersJobGoesOnFromItsCheckpoint) {
  Serve();
  const fs::path gate = folder_ / "gate";
  const v1::Job job =
      CreateFakeJob(R"({"sublayers": 4, "wait_at": 2, "wait_for": ")" + gate.string() + "\"}");
  v1::WatchJobRequest watch;
  watch.set_name(job.name());
  {
    grpc::ClientContext context;
    const auto events = v1::JobService::NewStub(channel_)->WatchJob(&context, watch);
    v1::Event event;
    while (event.sublayer().index() < 1) ASSERT_TRUE(events->Read(&event));
    server_->Signal(SIGKILL);
    EXPECT_EQ(server_->Wait(), 128 + SIGKILL);
  }
  testing::WriteFile(gate, "open");
  fs::remove(folder_ / "port");
  Serve();
  grpc::ClientContext context;
  const auto events = v1::JobService::NewStub(channel_)->WatchJob(&context, watch);
  std::vector<int> sublayers;
  for (v1::Event event; events->Read(&event);) {
    if (event.has_sublayer()) sublayers.push_back(event.sublayer().index());
  }
  EXPECT_TRUE(events->Finish().ok());
  EXPECT_THAT(sublayers, ::testing::ElementsAre(0, 1, 2, 3)) << "each once: nothing was computed again";
  const v1::Job done = GetJob(job.name());
  EXPECT_EQ(done.state(), v1::SUCCEEDED) << done.error().message();
  EXPECT_EQ(done.attempt(), 2);
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(), 0) << server_->Errors();
  EXPECT_TRUE(fs::is_empty(folder_ / "data/jobs"));
}

TEST_F(ServerProcessTest, ProbesHaveAPortOfTheirOwnWhereOneIsGiven) {
  server_ = Launch({"--health-listen", "127.0.0.1:0", "--health-port-file", folder_ / "health-port"});
  ASSERT_TRUE(Eventually([&] { return !ReadFile(folder_ / "port").empty() || !server_->Running(); }));
  ASSERT_TRUE(server_->Running()) << server_->Errors();
  const std::string address = "127.0.0.1:" + std::to_string(std::stoi(ReadFile(folder_ / "health-port")));
  const auto probe = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  EXPECT_TRUE(Eventually([&] { return Health(probe, "") == "SERVING"; }));
  EXPECT_EQ(Health(probe, "liveness"), "SERVING");
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(), 0) << server_->Errors();
}

// As a collector of logs reads them: every line an object, every line about a job with its trace.
TEST_F(ServerProcessTest, ItsLogAsJsonCarriesTheTraceOfTheCallThroughTheJob) {
  Serve({"--log-format", "json"});
  const v1::Job job = CreateFakeJob(R"({"fail": "INVALID_ARGUMENT: said \"no\""})", "request-7",
                                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  const v1::Job other = CreateFakeJob("{}", "", "not a traceparent");
  for (const std::string& name : {job.name(), other.name()})
    ASSERT_TRUE(Eventually([&] { return GetJob(name).state() >= v1::SUCCEEDED; })) << server_->Errors();
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(), 0) << server_->Errors();
  std::istringstream lines(server_->Errors());
  std::map<std::string, nlohmann::json> events;  // of the job, the last of each
  for (std::string text; std::getline(lines, text);) {
    const auto line = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(line.is_object()) << text;
    for (const char* field : {"time", "level", "event"}) EXPECT_TRUE(line.value(field, "") != "") << text;
    const bool ours = "jobs/" + line.value("job", "") == job.name();
    EXPECT_EQ(line.value("trace_id", ""), ours ? "0af7651916cd43dd8448eb211c80319c" : "") << text;
    if (ours) events[line["event"]] = line;
  }
  EXPECT_EQ(events["job-created"].value("request_id", ""), "request-7");
  EXPECT_EQ(events["job-finished"].value("state", ""), "FAILED");
  EXPECT_TRUE(events.count("attempt-started"));
}

TEST_F(ServerProcessTest, SaysInItsLogHowWorkersAreCaged) {
  Serve({"--worker-cage", "off"});
  EXPECT_THAT(server_->Errors(), HasSubstr("level=warning event=worker-cage mode=\"off\""));
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(), 0);
  fs::remove(folder_ / "port");
  Serve();
  EXPECT_THAT(server_->Errors(), HasSubstr("event=worker-cage mode=\"on\""));
}

// The file is watched by a thread that is older than the services.
TEST_F(ServerProcessTest, AServerWithAnAccessFileDrainsToo) {
  testing::WriteFile(folder_ / "access.json", R"({"tenants": {"a": {}}, "identities": []})");
  server_ = Launch({"--access-file", folder_ / "access.json"});
  ASSERT_TRUE(Eventually([&] { return !ReadFile(folder_ / "port").empty() || !server_->Running(); }));
  ASSERT_TRUE(server_->Running()) << server_->Errors();
  server_->Signal(SIGTERM);
  EXPECT_EQ(server_->Wait(), 0) << server_->Errors();
}

TEST_F(ServerProcessTest, ASecondServerOnTheSameFolderIsRefused) {
  Serve();
  const auto second = Launch();
  EXPECT_EQ(second->Wait(), 1);
  EXPECT_THAT(second->Errors(), HasSubstr("another kprune-server uses the folder"));
  EXPECT_EQ(Health(channel_, ""), "SERVING");
}

TEST_F(ServerProcessTest, WhatCannotStartSaysWhyInOneSentence) {
  struct Case {
    std::vector<std::string> flags;
    const char* words;
  };
  Serve();
  const std::string taken = "127.0.0.1:" + std::to_string(std::stoi(ReadFile(folder_ / "port")));
  const std::string other = folder_ / "other-data";
  for (const Case& start : std::vector<Case>{
           {{"--data-dir", other, "--worker", "/nowhere/kprune-worker"},
            "worker program /nowhere/kprune-worker"},
           {{"--data-dir", other, "--devices", "cuda:7"}, "devices names \"cuda:7\""},
           {{"--data-dir", other, "--work-dir", other + "/jobs"}, "lie in each other; give folders beside each other"},
           {{"--data-dir", other, "--work-dir", folder_ / "data"}, "choose another with --work-dir"},
           {{"--data-dir", other, "--encryption-key-file", folder_ / "port"},
            "line 1 has another length; a key is 64 hexadecimal digits"},
           {{"--data-dir", other, "--listen", taken}, "cannot listen on"},
           {{"--data-dir", other, "--listen", "127.0.0.1:99999"}, "a port from 0 to 65535"},
           {{"--data-dir", other, "--metrics-listen", taken}, "cannot serve metrics on"}}) {
    const auto failed = Launch(start.flags);
    EXPECT_EQ(failed->Wait(), 1) << start.words;
    EXPECT_THAT(failed->Errors(), HasSubstr(start.words));
  }
}

}  // namespace
}  // namespace kprune
