// The client as its user meets a server that asks who calls, and what both leave behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/auth/guarded_service.h"

namespace kprune::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AuthClientTest : public ::testing::Test {
 protected:
  AuthClientTest() {
    service_ = StartServer(folder_.path(), access_.AccessFlags());
    WriteFile(token_file_, TokenOf("team-a", Role::kSubmitter) + "\n");
  }

  // `kprune list` with more arguments.
  Finished List(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"list", "-o", "json"});
    return service_->Client(arguments);
  }

  std::vector<nlohmann::json> AuditLines() const {
    std::vector<nlohmann::json> lines;
    std::istringstream text(ReadFile(access_.Path("audit.jsonl")));
    for (std::string line; std::getline(text, line);) lines.push_back(nlohmann::json::parse(line));
    return lines;
  }

  const TemporaryFolder folder_;
  AccessFolder access_;
  const std::string token_file_ = access_.Path("a.token");
  const std::string ca_ = access_.Path("ca.pem");
  std::unique_ptr<Service> service_;
};

TEST_F(AuthClientTest, ExamplesATokenFileOrACertificateLetsItIn) {
  const Finished by_token = List({"--tls-ca", ca_, "--token-file", token_file_});
  EXPECT_EQ(by_token.status, 0) << by_token.errors << service_->Log();
  const Finished by_certificate = List(
      {"--tls-ca", ca_, "--tls-cert", access_.Path("robot.pem"), "--tls-key", access_.Path("robot.key")});
  EXPECT_EQ(by_certificate.status, 0) << by_certificate.errors;
}

TEST_F(AuthClientTest, EveryRefusalSaysWhatToDo) {
  const Finished nobody = List({"--tls-ca", ca_});
  EXPECT_EQ(nobody.status, 1);
  EXPECT_THAT(nobody.errors, HasSubstr("send a token (kprune --token-file FILE)"));
  WriteFile(token_file_, "kprune_nonsense\n");
  EXPECT_THAT(List({"--tls-ca", ca_, "--token-file", token_file_}).errors,
              HasSubstr("The token is none that this server knows"));
  WriteFile(token_file_, "two words\n");
  EXPECT_THAT(List({"--tls-ca", ca_, "--token-file", token_file_}).errors, HasSubstr("is no token"));
  EXPECT_THAT(List({"--tls-ca", ca_, "--token-file", "/nonexistent"}).errors,
              HasSubstr("cannot read a token from /nonexistent"));
  WriteFile(access_.Path("other.pem"), CertificateAuthority().certificate());
  EXPECT_THAT(List({"--tls-ca", access_.Path("other.pem")}).errors, HasSubstr("the TLS handshake with"));
  EXPECT_THAT(List({"--tls-ca", ca_, "--tls-server-name", "other.example.com"}).errors,
              HasSubstr("the TLS handshake with"));
  EXPECT_THAT(List({"--tls-server-name", "localhost"}).errors, HasSubstr("--tls-ca"));
  EXPECT_THAT(List({}).errors, HasSubstr("if it speaks TLS, give --tls-ca"));
}

TEST_F(AuthClientTest, AnAdminFetchesTheResultOfAnotherTenantsJob) {
  WriteFile(folder_ / "model/config.json", R"({"model_type": "bert", "fake": {}})");
  WriteFile(folder_ / "model/model.safetensors", "weights");
  WriteFile(folder_ / "samples.jsonl", "{\"text\": \"a\"}\n");
  const Finished submitted =
      service_->Client({"submit", folder_ / "model", "--data", folder_ / "samples.jsonl", "--tls-ca", ca_,
                        "--token-file", token_file_});
  ASSERT_EQ(submitted.status, 0) << submitted.errors;
  const std::string job = submitted.output.substr(0, submitted.output.find('\n'));
  const auto fetch = [&](const std::string& tenant, Role role) {
    WriteFile(access_.Path("b.token"), TokenOf(tenant, role));
    return service_->Client({"fetch", job, "--output", folder_ / (tenant + std::string(RoleName(role))),
                             "--tls-ca", ca_, "--token-file", access_.Path("b.token")});
  };
  const Finished own = fetch("team-a", Role::kViewer);
  EXPECT_EQ(own.status, 0) << own.errors;
  const Finished admins = fetch("team-b", Role::kAdmin);
  EXPECT_EQ(admins.status, 0) << admins.errors;
  EXPECT_EQ(ReadFile(folder_ / "team-badmin/report.json"), ReadFile(folder_ / "team-aviewer/report.json"));
  EXPECT_NE(ReadFile(folder_ / "team-badmin/report.json"), "");
  EXPECT_EQ(fetch("team-b", Role::kSubmitter).status, 1);
  // Whose it was is in the audit log.
  EXPECT_THAT(ReadFile(access_.Path("audit.jsonl")),
              HasSubstr(R"("method":"kprune.v1.ArtifactService/Download","resource":"tenants/team-a/)"));
}

TEST_F(AuthClientTest, ATokenIsNeverSentInTheClearToAnotherMachine) {
  const Finished refused = List({"--server", "192.0.2.1:8470", "--token-file", token_file_});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.errors, HasSubstr("in the clear"));
}

TEST_F(AuthClientTest, AMadeTokenLetsItsOwnerInOnceItsLineIsInTheFile) {
  const std::string file = access_.Path("new.token");
  const Finished made =
      service_->Client({"token", "new one", "--tenant", "team-b", "--role", "viewer", "--output", file});
  ASSERT_EQ(made.status, 0) << made.errors;
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
  EXPECT_THAT(made.output, Not(HasSubstr(ReadFile(file).substr(0, 20))));
  EXPECT_EQ(List({"--tls-ca", ca_, "--token-file", file}).status, 1);
  nlohmann::json access = AccessFile();
  access["identities"].push_back(nlohmann::json::parse(made.output));
  WriteAccessFile(access_.Path("access.json"), access.dump());
  EXPECT_TRUE(Eventually([&] { return List({"--tls-ca", ca_, "--token-file", file}).status == 0; }));
  EXPECT_EQ(AuditLines().back()["subject"], "new one");
  EXPECT_EQ(service_->Client({"token", "again", "--tenant", "team-b", "--output", file}).status, 1);
  EXPECT_EQ(service_->Client({"token", "of nobody"}).status, 3);
}

TEST_F(AuthClientTest, TheAuditLogNamesTheArtifactAndTheClientsOwnRequestId) {
  const auto stub = v1::ArtifactService::NewStub(NewChannel(service_->address(), access_.Tls("robot")));
  const std::string sha256 = HashOf("x");
  for (const char* const id : {"trace-7", "not plain"}) {
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", id);
    v1::UploadResponse response;
    const auto writer = stub->Upload(&context, &response);
    v1::UploadRequest request;
    request.mutable_header()->set_sha256(sha256);
    request.mutable_header()->set_size(1);
    writer->Write(request);
    request.set_chunk("x");
    writer->Write(request);
    writer->WritesDone();
    const grpc::Status status = writer->Finish();
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  ASSERT_TRUE(Eventually([&] { return AuditLines().size() == 2; }));
  const std::vector<nlohmann::json> lines = AuditLines();
  EXPECT_EQ(lines[0]["request_id"], "trace-7");
  EXPECT_EQ(lines[1]["request_id"].get<std::string>().size(), 16u);
  for (const nlohmann::json& line : lines) {
    EXPECT_EQ(line["subject"], "robot");
    EXPECT_EQ(line["resource"], sha256);
    EXPECT_EQ(line["method"], "kprune.v1.ArtifactService/Upload");
  }
}

TEST_F(AuthClientTest, EveryCallIsAuditedAndNoSecretIsAnywhere) {
  EXPECT_EQ(List({"--tls-ca", ca_, "--token-file", token_file_}).status, 0);
  const auto job =
      service_->StartClient({"get", "jobs/0123456789abcdef", "--tls-ca", ca_, "--token-file", token_file_});
  const std::string process = "/proc/" + std::to_string(job->pid());
  std::string of_client;
  EXPECT_TRUE(Eventually([&] {  // a moment after its start
    of_client = ReadFile(process + "/cmdline") + ReadFile(process + "/environ");
    return of_client.find(token_file_) != std::string::npos || !job->Running();
  }));
  EXPECT_EQ(job->Wait(), 1);
  EXPECT_EQ(List({"--tls-ca", ca_}).status, 1);
  ASSERT_TRUE(Eventually([&] { return AuditLines().size() >= 3; }));
  const std::vector<nlohmann::json> lines = AuditLines();
  EXPECT_EQ(lines[0]["subject"], "team-a's submitter");
  EXPECT_EQ(lines[0]["tenant"], "team-a");
  EXPECT_EQ(lines[0]["role"], "submitter");
  EXPECT_EQ(lines[0]["method"], "kprune.v1.JobService/ListJobs");
  EXPECT_EQ(lines[0]["code"], "OK");
  EXPECT_THAT(lines[0]["peer"].get<std::string>(), HasSubstr("127.0.0.1"));
  EXPECT_EQ(lines[0]["request_id"].get<std::string>().size(), 16u);
  EXPECT_EQ(lines[1]["resource"], "jobs/0123456789abcdef");
  EXPECT_EQ(lines[1]["code"], "NOT_FOUND");
  EXPECT_EQ(lines[2]["subject"], "");
  EXPECT_EQ(lines[2]["code"], "UNAUTHENTICATED");

  const std::string token = TokenOf("team-a", Role::kSubmitter);
  const std::string server = "/proc/" + std::to_string(service_->pid());
  std::string seen = of_client + ReadFile(server + "/cmdline") + ReadFile(server + "/environ") +
                     service_->Log() + service_->Metrics() + ReadFile(access_.Path("audit.jsonl"));
  EXPECT_THAT(seen, HasSubstr("--access-file"));
  EXPECT_THAT(seen, HasSubstr(token_file_));
  EXPECT_THAT(seen, Not(HasSubstr(token)));
  // Nor is the key, or the token, anywhere in the data folder.
  const std::string key = ReadFile(access_.Path("server.key")).substr(30, 60);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    if (!entry.is_regular_file()) continue;
    EXPECT_THAT(ReadFile(entry.path()), Not(HasSubstr(token))) << entry.path();
    EXPECT_THAT(ReadFile(entry.path()), Not(HasSubstr(key))) << entry.path();
  }
}

}  // namespace
}  // namespace kprune::testing
