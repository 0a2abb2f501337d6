// Models that the server fetches, as users and operators meet them: kprune, kprune-server and a host over
// real HTTPS; a stand-in prunes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/file_digest.h"
#include "nlohmann/json.hpp"
#include "tests/support/model_host.h"
#include "tests/support/service.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::AllOf;
using testing::Eventually;
using testing::Finished;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ModelHost;
using ::testing::Not;
using testing::ReadFile;
using testing::Service;
using ::testing::SizeIs;

constexpr char kToken[] = "bearer-hunter2-token";
const std::string kWeights = std::string(300'000, 'w') + "the end";

class FetchedModelsTest : public ::testing::Test {
 protected:
  FetchedModelsTest() : host_(folder_ / "host") {
    for (const char* place : {"files/team/sst2/", "s3/bucket/team/sst2/", "hub/org/name/"}) WriteModel(place);
    testing::WriteFile(folder_ / "data.jsonl", "{\"text\": \"a\"}\n");
    testing::WriteFile(folder_ / "tokens", host_.Url("files/secured/") + " " + kToken + "\n");
    testing::WriteFile(folder_ / "credentials",
                       absl::StrCat("[default]\naws_access_key_id = ", testing::kS3KeyId,
                                    "\naws_secret_access_key = ", testing::kS3Secret,
                                    "\naws_session_token = ", testing::kS3SessionToken, "\n"));
  }

  void WriteModel(const std::string& place, const json& fake = json::object()) {
    host_.Write(place + "config.json", json{{"model_type", "bert"}, {"fake", fake}}.dump());
    host_.Write(place + "tokenizer.json", "{}");
    host_.Write(place + "model.safetensors", kWeights);
    host_.Write(place + "pytorch_model.bin", "a pickle");
  }

  void Serve(const std::vector<std::string>& more = {}) {
    std::vector<std::string> flags = {"--worker",
                                      fs::path(KPRUNE_BIN_DIR) / "fake_worker",
                                      "--model-source-ca-file",
                                      host_.ca_file(),
                                      "--model-source-allow",
                                      host_.Url("files/") + " s3://bucket/team/",
                                      "--model-source-tokens-file",
                                      folder_ / "tokens",
                                      "--s3-endpoint",
                                      host_.Url(),
                                      "--s3-region",
                                      testing::kS3Region,
                                      "--s3-credentials-file",
                                      folder_ / "credentials",
                                      "--hub-mirror",
                                      host_.Url(),
                                      "--max-model-bytes",
                                      "1000000"};
    flags.insert(flags.end(), more.begin(), more.end());
    fs::create_directories(folder_ / "service");
    service_ = std::make_unique<Service>(KPRUNE_BIN_DIR, folder_ / "service", flags);
    service_->Start();
  }

  Finished Submit(const std::string& uri, const std::vector<std::string>& more = {"--progress", "plain"}) {
    std::vector<std::string> arguments = {"submit", uri, "--data", folder_ / "data.jsonl"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return service_->Client(arguments);
  }

  json LatestJob() { return json::parse(service_->Client({"get", "@latest", "-o", "json"}).output); }

  // The job ends so, and its sentence has the words.
  void ExpectFailure(const std::string& uri, const std::string& code, const std::string& words) {
    const Finished submitted = Submit(uri);
    EXPECT_EQ(submitted.status, 1) << submitted.output;
    EXPECT_THAT(submitted.errors, AllOf(HasSubstr(code), HasSubstr(words)));
  }

  std::string Sha256Of(const std::string& bytes) {
    testing::WriteFile(folder_ / "digested", bytes);
    return *client::Sha256OfFile(folder_ / "digested");
  }

  testing::TemporaryFolder folder_;
  ModelHost host_;
  std::unique_ptr<Service> service_;
};

TEST_F(FetchedModelsTest, Examples) {
  Serve();
  const std::string uris[] = {host_.Url("files/team/sst2/"), "s3://bucket/team/sst2", "hub:org/name@main"};
  std::vector<json> models;
  for (const std::string& uri : uris) {
    const Finished submitted =
        Submit(uri, {"--progress", "plain", "--output", folder_ / absl::StrCat("out-", models.size())});
    ASSERT_EQ(submitted.status, 0) << submitted.errors << service_->Log();
    EXPECT_THAT(submitted.errors, HasSubstr("load"));
    EXPECT_TRUE(fs::exists(folder_ / absl::StrCat("out-", models.size()) / "model.safetensors"));
    const json job = LatestJob();
    EXPECT_EQ(job["preflight"]["family"], "bert");
    models.push_back(job["spec"]["model"]);
  }
  // Three ways to the same bytes, named by the digests that the server computed.
  EXPECT_THAT(models[0], SizeIs(3));
  EXPECT_EQ(models[0], models[1]);
  EXPECT_EQ(models[0], models[2]);
  EXPECT_THAT(models[0].dump(), HasSubstr(Sha256Of(kWeights)));
  EXPECT_THAT(host_.Requests(".bin"), IsEmpty());
  EXPECT_THAT(service_->Metrics(), HasSubstr("kprune_transfer_bytes_total{direction=\"fetch\"} 9"));
  EXPECT_THAT(service_->Client({"server-info"}).output,
              HasSubstr(host_.Url("files/") + ", s3://bucket/team/, hub:"));
}

TEST_F(FetchedModelsTest, NothingIsFetchedUnlessTheOperatorAllowsIt) {
  service_ = std::make_unique<Service>(
      KPRUNE_BIN_DIR, folder_.path(),
      std::vector<std::string>{"--worker", fs::path(KPRUNE_BIN_DIR) / "fake_worker"});
  service_->Start();
  for (const std::string& uri :
       {host_.Url("files/team/sst2/"), std::string("s3://bucket/team"), std::string("hub:org/name")}) {
    const Finished submitted = Submit(uri);
    EXPECT_EQ(submitted.status, 1);
    EXPECT_THAT(submitted.errors, HasSubstr("upload the model's folder, or ask its operator"));
  }
  EXPECT_THAT(host_.Requests(), IsEmpty());
  EXPECT_EQ(service_->Client({"list", "-o", "name"}).output, "");
}

TEST_F(FetchedModelsTest, EveryFailureIsOneSentenceWithItsCode) {
  Serve({"--max-artifact-bytes", "400000"});
  const std::string folder = host_.Url("files/team/sst2/"), weights = "/files/team/sst2/model.safetensors";
  ExpectFailure(host_.Url("files/nothing/"), "NOT_FOUND",
                "There is no config.json at " + host_.Url("files/nothing/"));
  host_.SetRules(json{{weights, {{"token", "another"}}}}.dump());
  ExpectFailure(folder, "PERMISSION_DENIED", "this server has none for it (401)");
  host_.SetRules(
      json{{weights, {{"status", 302}, {"location", "https://169.254.169.254/latest/meta-data/"}}}}.dump());
  ExpectFailure(folder, "PERMISSION_DENIED",
                "it redirects to https://169.254.169.254, where this server's operator does not let it");
  host_.SetRules("{}");
  host_.Write("files/team/sst2/model.safetensors", std::string(500'000, 'w'));
  ExpectFailure(folder, "RESOURCE_EXHAUSTED", "it has 500000 bytes");
  host_.SetRules(json{{weights, {{"no_length", true}}}}.dump());
  ExpectFailure(folder, "RESOURCE_EXHAUSTED", "it has more than 400000 bytes");
  host_.SetRules("{}");
  host_.Write("files/team/sst2/model.safetensors", kWeights);
  host_.Write("files/team/sst2/SHA256SUMS", Sha256Of(ReadFile(host_.root() / "files/team/sst2/config.json")) +
                                                "  config.json\n" + std::string(64, '0') +
                                                "  model.safetensors\n");
  ExpectFailure(folder, "DATA_LOSS", "has SHA-256 " + Sha256Of(kWeights) + " instead of the 0000");
  // What the operator did not name is no way into the machine's own network.
  Serve({"--model-source-allow", host_.NamedUrl("files/")});
  fs::remove(host_.root() / "files/team/sst2/SHA256SUMS");
  ExpectFailure(host_.NamedUrl("files/team/sst2/"), "PERMISSION_DENIED", "--model-source-networks");
}

TEST_F(FetchedModelsTest, ABrokenTransferGoesOnAndARedirectWithinTheListIsFollowed) {
  Serve();
  const std::string weights = "/files/team/sst2/model.safetensors";
  host_.SetRules(
      json{{weights, {{"cut", 100'000}, {"times", 1}}},
           {"/files/team/sst2/tokenizer.json", {{"status", 307}, {"location", "/files/moved.json"}}}}
          .dump());
  host_.Write("files/moved.json", "{\"moved\": true}");
  EXPECT_EQ(Submit(host_.Url("files/team/sst2/")).status, 0) << service_->Log();
  EXPECT_THAT(LatestJob()["spec"]["model"].dump(),
              AllOf(HasSubstr(Sha256Of(kWeights)), HasSubstr(Sha256Of("{\"moved\": true}"))));
  EXPECT_THAT(host_.Requests("model.safetensors").back(), HasSubstr("bytes=100000-"));
}

TEST_F(FetchedModelsTest, NoSecretIsEverWrittenAnywhere) {
  WriteModel("files/secured/sst2/");
  const std::string place = "/files/secured/sst2/";
  host_.SetRules(
      json{{place + "config.json", {{"token", kToken}}}, {place + "model.safetensors", {{"token", kToken}}}}
          .dump());
  Serve();
  EXPECT_EQ(Submit(host_.Url("files/secured/sst2/"), {"--progress", "json"}).status, 0) << service_->Log();
  EXPECT_EQ(Submit("s3://bucket/team/sst2", {"--progress", "json"}).status, 0) << service_->Log();
  // A token that is wrong by now, and hosts that would like to see one.
  host_.SetRules(json{{place + "config.json", {{"token", "renewed"}}}}.dump());
  ExpectFailure(host_.Url("files/secured/sst2/"), "PERMISSION_DENIED", "were not accepted (403)");
  host_.SetRules(json{
      {place + "config.json", {{"status", 302}, {"location", absl::StrCat("/elsewhere?token=", kToken)}}}}
                     .dump());
  ExpectFailure(host_.Url("files/secured/sst2/"), "PERMISSION_DENIED", "it redirects to ");
  testing::WriteFile(folder_ / "credentials",
                     absl::StrCat("[default]\naws_access_key_id = WRONG\naws_secret_access_key = ",
                                  testing::kS3Secret, "\n"));
  ExpectFailure("s3://bucket/team/sst2", "PERMISSION_DENIED", "were not accepted (403)");
  const Finished refused = Submit("https://user:" + std::string(kToken) + "@127.0.0.1/");
  EXPECT_EQ(refused.status, 1);
  service_->Client({"list", "-o", "json"});
  EXPECT_EQ(service_->Drain(), 0);

  // Everything that the server and the clients wrote: logs, answers, events, the database, the artifacts.
  int searched = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "service")) {
    if (!entry.is_regular_file()) continue;
    ++searched;
    const std::string bytes = ReadFile(entry.path());
    for (const char* secret : {kToken, testing::kS3Secret, testing::kS3SessionToken})
      EXPECT_EQ(bytes.find(secret), std::string::npos) << entry.path() << " has " << secret;
  }
  EXPECT_GT(searched, 15);
  EXPECT_THAT(ReadFile(folder_ / "service/data/jobs.db"), HasSubstr("files/secured/sst2/"))
      << "it was the right place";
  EXPECT_THAT(host_.Requests("secured/sst2/config.json").front(), HasSubstr(" Bearer"));
  EXPECT_THAT(host_.Requests("secured/sst2/tokenizer.json").front(), HasSubstr(" Bearer"));
}

TEST_F(FetchedModelsTest, AServerThatIsKilledInAFetchFetchesAgain) {
  Serve();
  const fs::path gate = folder_ / "gate";
  host_.SetRules(json{{"/files/team/sst2/model.safetensors", {{"gate", gate.string()}}}}.dump());
  const Finished submitted = Submit(host_.Url("files/team/sst2/"), {"--no-wait"});
  ASSERT_EQ(submitted.status, 0) << submitted.errors;
  ASSERT_TRUE(Eventually([&] { return !host_.Requests("model.safetensors").empty(); }));
  service_->Crash();
  testing::WriteFile(gate, "open");
  service_->Start();
  const Finished watched = service_->Client({"watch", "@latest", "--progress", "plain"});
  EXPECT_EQ(watched.status, 0) << watched.errors << service_->Log();
  EXPECT_EQ(LatestJob()["attempt"], 2);
  EXPECT_THAT(host_.Requests("model.safetensors"), SizeIs(2));
  EXPECT_TRUE(fs::is_empty(folder_ / "service/data/jobs"));
}

TEST_F(FetchedModelsTest, AFetchCanBeCancelled) {
  Serve();
  host_.SetRules(json{{"/files/team/sst2/model.safetensors", {{"gate", "/no/such/file"}}}}.dump());
  ASSERT_EQ(Submit(host_.Url("files/team/sst2/"), {"--no-wait"}).status, 0);
  ASSERT_TRUE(Eventually([&] { return !host_.Requests("model.safetensors").empty(); }));
  EXPECT_EQ(service_->Client({"cancel", "@latest"}).status, 0);
  EXPECT_EQ(LatestJob()["state"], "CANCELLED");
  EXPECT_TRUE(Eventually([&] { return fs::is_empty(folder_ / "service/data/jobs"); }));
  EXPECT_EQ(service_->Drain(), 0);
}

TEST(FetchFlagsTest, WhatCannotBeUsedIsSaidAtTheStart) {
  testing::TemporaryFolder folder;
  testing::WriteFile(folder / "tokens", "no token\n");
  struct Case {
    std::vector<std::string> flags;
    int status;
    const char* words;
  };
  for (const Case& start :
       std::vector<Case>{{{"--model-source-allow", "http://models.example.com/"}, 3, "http is not encrypted"},
                         {{"--model-source-allow", "https://user:hunter2@h/"}, 3, "--model-source-allow"},
                         {{"--model-source-networks", "10.0.0.0/99"}, 3, "10.0.0.0/99"},
                         {{"--hub-mirror", "http://mirror.example.com/"}, 3, "accepted is https"},
                         {{"--s3-endpoint", "minio:9000"}, 3, "--s3-endpoint"},
                         {{"--s3-region", "Mars!"}, 3, "eu-central-1"},
                         {{"--model-fetch-stall-seconds", "0"}, 3, "--model-fetch-stall-seconds"},
                         {{"--max-model-bytes", "0"}, 3, "--max-model-bytes"},
                         {{"--model-source-tokens-file", folder / "none"}, 3, "--model-source-tokens-file"},
                         {{"--model-source-tokens-file", folder / "tokens"}, 1, "line 1 is not of the form"},
                         {{"--s3-credentials-file", folder / "tokens"}, 1, "no complete S3 credentials"}}) {
    std::vector<std::string> command = {fs::path(KPRUNE_BIN_DIR) / "kprune-server", "--data-dir",
                                        folder / "data"};
    command.insert(command.end(), start.flags.begin(), start.flags.end());
    testing::Process server(command, folder / "server");
    EXPECT_EQ(server.Wait(), start.status) << start.words;
    EXPECT_THAT(server.Errors(), AllOf(HasSubstr(start.words), Not(HasSubstr("hunter2"))));
  }
}

}  // namespace
}  // namespace kprune
