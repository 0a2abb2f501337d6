// Streams that are open when their caller loses what it was let in by, over TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <sstream>
#include <string>

#include "tests/auth/guarded_service.h"

namespace kprune::testing {
namespace {

using grpc::StatusCode;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

constexpr int64_t kMiB = 1 << 20;

// Adds the token to the call, which fails where the server would let it go on.
void Begin(grpc::ClientContext& context, const std::string& token) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
  if (!token.empty()) Authorize(context, token);
}

// A watch of a job, by whoever the call is made for.
class Watch {
 public:
  Watch(const std::shared_ptr<grpc::Channel>& channel, const std::string& token, const std::string& job)
      : stub_(v1::JobService::NewStub(channel)) {
    Begin(context_, token);
    v1::WatchJobRequest request;
    request.set_name(job);
    reader_ = stub_->WatchJob(&context_, request);
    v1::Event first;
    EXPECT_TRUE(reader_->Read(&first)) << End().error_message();
  }

  // Waits for it.
  grpc::Status End() {
    v1::Event event;
    while (reader_->Read(&event)) {
    }
    return reader_->Finish();
  }

 private:
  const std::unique_ptr<v1::JobService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::Event>> reader_;
};

class RevocationTest : public ::testing::Test {
 protected:
  RevocationTest() {
    service_ = StartServer(folder_.path(), access_.AccessFlags());
    channel_ = Connect();
    artifacts_ = v1::ArtifactService::NewStub(channel_);
    jobs_ = v1::JobService::NewStub(channel_);
  }

  std::shared_ptr<grpc::Channel> Connect(const std::string& certificate = "") {
    return NewChannel(service_->address(), access_.Tls(certificate));
  }

  // Has the server read an access file in which the identity of that name is as `change` leaves it, or is
  // not where it leaves nothing.
  void ChangeIdentity(const std::string& name, const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json identities = nlohmann::json::array();
    for (nlohmann::json identity : access_file_["identities"]) {
      if (identity["name"] == name) change(identity);
      if (!identity.is_null()) identities.push_back(identity);
    }
    access_file_["identities"] = identities;
    WriteAccessFile(access_.Path("access.json"), access_file_.dump());
    written_ = steady_clock::now();
  }
  void Remove(const std::string& name) {
    ChangeIdentity(name, [](nlohmann::json& identity) { identity = nullptr; });
  }

  Seconds SinceWritten() const { return steady_clock::now() - written_; }

  // Sends `bytes` as an upload of `size`, which goes on where they are fewer.
  std::unique_ptr<grpc::ClientWriter<v1::UploadRequest>> Send(grpc::ClientContext& context,
                                                              v1::UploadResponse& response,
                                                              const std::string& token,
                                                              const std::string& bytes, int64_t size) {
    Begin(context, token);
    auto writer = artifacts_->Upload(&context, &response);
    v1::UploadRequest request;
    request.mutable_header()->set_sha256(HashOf(bytes));
    request.mutable_header()->set_size(size);
    EXPECT_TRUE(writer->Write(request));
    for (size_t at = 0; at < bytes.size(); at += kMiB) {
      request.set_chunk(bytes.substr(at, kMiB));
      EXPECT_TRUE(writer->Write(request));
    }
    return writer;
  }

  // By team-a's submitter.
  v1::File Store(const std::string& name, const std::string& bytes) {
    grpc::ClientContext context;
    v1::UploadResponse response;
    const auto size = static_cast<int64_t>(bytes.size());
    const auto writer = Send(context, response, TokenOf("team-a", Role::kSubmitter), bytes, size);
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
    v1::File file;
    file.set_name(name);
    file.set_sha256(HashOf(bytes));
    file.set_size(size);
    return file;
  }

  // Of team-a's submitter; it goes on until it is cancelled.
  std::string CreateJob() {
    v1::CreateJobRequest request;
    *request.mutable_spec()->add_model() = Store("config.json", R"({"fake": {"hang": true}})");
    *request.mutable_spec()->add_model() = Store("model.safetensors", "not looked at by the stand-in");
    *request.mutable_spec()->add_data() = Store("samples.jsonl", "{\"text\": \"a sentence\"}\n");
    grpc::ClientContext context;
    Authorize(context, TokenOf("team-a", Role::kSubmitter));
    v1::Job job;
    const grpc::Status status = jobs_->CreateJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job.name();
  }

  void CancelJob(const std::string& name) {
    grpc::ClientContext context;
    Authorize(context, TokenOf("team-a", Role::kSubmitter));
    v1::CancelJobRequest request;
    request.set_name(name);
    v1::Job job;
    const grpc::Status status = jobs_->CancelJob(&context, request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  // How many calls of the method the audit log has with that subject and end.
  int Audited(const std::string& method, const std::string& subject, const std::string& code) const {
    int lines = 0;
    std::istringstream text(ReadFile(access_.Path("audit.jsonl")));
    for (std::string line; std::getline(text, line);) {
      const nlohmann::json call = nlohmann::json::parse(line);
      if (call["method"].get<std::string>().ends_with(method) && call["subject"] == subject)
        lines += call["code"] == code;
    }
    return lines;
  }

  const TemporaryFolder folder_;
  AccessFolder access_;
  nlohmann::json access_file_ = AccessFile();
  steady_clock::time_point written_;
  std::unique_ptr<Service> service_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::ArtifactService::Stub> artifacts_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
};

TEST_F(RevocationTest, ExamplesAWatchEndsWithItsTokenAndOthersGoOn) {
  const std::string job = CreateJob();
  Watch others(channel_, TokenOf("team-a", Role::kSubmitter), job);
  Watch watch(channel_, TokenOf("team-a", Role::kViewer), job);
  WriteFile(access_.Path("a.token"), TokenOf("team-a", Role::kViewer));
  const auto client = service_->StartClient(
      {"watch", job, "--tls-ca", access_.Path("ca.pem"), "--token-file", access_.Path("a.token")});
  const std::string open = R"(kprune_open_streams{method="kprune.v1.JobService/WatchJob"} 3)";
  ASSERT_TRUE(Eventually([&] { return service_->Metrics().find(open) != std::string::npos; }));
  Remove("team-a's viewer");
  const grpc::Status status = watch.End();
  EXPECT_LT(SinceWritten().count(), 10);
  RecordProperty("ended_after_seconds", std::to_string(SinceWritten().count()));
  EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(status.error_message(),
            "The token that this stream began with is none that this server knows any more; ask its operator "
            "for another and call again.");
  EXPECT_EQ(client->Wait(), 1);
  EXPECT_THAT(client->Errors(), HasSubstr("none that this server knows"));
  CancelJob(job);
  const grpc::Status of_others = others.End();
  EXPECT_TRUE(of_others.ok()) << of_others.error_message();
  EXPECT_TRUE(Eventually([&] {
    return Audited("WatchJob", "team-a's viewer", "UNAUTHENTICATED") == 2 &&
           Audited("WatchJob", "team-a's submitter", "OK") == 1;
  }));
  EXPECT_THAT(service_->Log(), HasSubstr("event=stream-revoked subject=\"team-a\\'s viewer\""));
  EXPECT_TRUE(Eventually([&] {  // what is counted is what the clients got
    const std::string line =
        R"(kprune_rpc_seconds_count{code="UNAUTHENTICATED",method="kprune.v1.JobService/WatchJob"} 2)";
    return service_->Metrics().find(line) != std::string::npos;
  })) << service_->Metrics();
}

TEST_F(RevocationTest, AnUploadEndsAndWhatItSentStays) {
  grpc::ClientContext context;
  v1::UploadResponse response;
  const std::string half(2 * kMiB, 'u');
  const auto writer = Send(context, response, TokenOf("team-a", Role::kSubmitter), half, 4 * kMiB);
  ChangeIdentity("team-a's submitter", [](nlohmann::json& identity) { identity["role"] = "viewer"; });
  const grpc::Status status = writer->Finish();
  EXPECT_LT(SinceWritten().count(), 10);
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(
      status.error_message(),
      "Who this stream began for was submitter and is viewer now; call again for what that role may, or "
      "ask the server's operator for another.");
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext query_context;
    Authorize(query_context, TokenOf("team-a", Role::kAdmin));
    v1::QueryUploadRequest request;
    request.set_sha256(HashOf(half));
    v1::QueryUploadResponse state;
    EXPECT_TRUE(artifacts_->QueryUpload(&query_context, request, &state).ok());
    return state.committed_size() == 2 * kMiB;
  }));
}

TEST_F(RevocationTest, ADownloadEndsAlsoWhereItsClientTakesNothing) {
  const v1::File file = Store("large", std::string(32 * kMiB, 'd'));
  grpc::ClientContext context;
  Begin(context, TokenOf("team-a", Role::kViewer));
  v1::DownloadRequest request;
  request.set_sha256(file.sha256());
  const auto reader = artifacts_->Download(&context, request);
  v1::DownloadResponse response;
  ASSERT_TRUE(reader->Read(&response));
  ChangeIdentity("team-a's viewer", [](nlohmann::json& identity) { identity["tenant"] = "team-b"; });
  EXPECT_TRUE(Eventually([&] { return Audited("Download", "team-a's viewer", "UNAUTHENTICATED") == 1; }));
  EXPECT_LT(SinceWritten().count(), 10);
  auto got = static_cast<int64_t>(response.chunk().size());
  while (reader->Read(&response)) got += static_cast<int64_t>(response.chunk().size());
  EXPECT_LT(got, file.size());
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("acts for tenant team-b now and no longer for team-a"));
}

TEST_F(RevocationTest, ACertificateThatIsTakenOutEndsWhatItsConnectionWatches) {
  const std::string job = CreateJob();
  Watch watch(Connect("robot"), "", job);
  Watch others(channel_, TokenOf("team-a", Role::kSubmitter), job);
  Remove("robot");
  const grpc::Status status = watch.End();
  EXPECT_LT(SinceWritten().count(), 10);
  EXPECT_EQ(status.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_THAT(status.error_message(), HasSubstr("The client certificate that this stream began with"));
  CancelJob(job);
  EXPECT_TRUE(others.End().ok());
}

TEST_F(RevocationTest, WhoIsNoAdminAnyMoreWatchesNoOtherTenantsJob) {
  const std::string job = CreateJob();
  Watch watch(channel_, TokenOf("team-b", Role::kAdmin), job);
  Watch more(channel_, TokenOf("team-a", Role::kViewer), job);
  ChangeIdentity("team-a's viewer", [](nlohmann::json& identity) { identity["role"] = "submitter"; });
  ChangeIdentity("team-b's admin", [](nlohmann::json& identity) { identity["role"] = "viewer"; });
  const grpc::Status status = watch.End();
  EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("was admin and is viewer now"));
  CancelJob(job);
  EXPECT_TRUE(more.End().ok()) << "more than its watch needs";
}

}  // namespace
}  // namespace kprune::testing
