// What another tenant has stored is, to every call, what nobody has: the answers are the same to the last
// byte. And what a tenant may store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/server/rpc/artifact_service_fixture.h"

namespace kprune {
namespace {

using grpc::StatusCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TenantArtifactsTest : public ArtifactServiceTest {
 protected:
  // Another tenant stores the bytes.
  void StoreAs(const std::string& tenant, const std::string& bytes) {
    const auto store = artifacts_->Of(tenant).value();
    auto upload = store->BeginUpload(Digest(bytes), static_cast<int64_t>(bytes.size()), 0).value();
    ASSERT_TRUE(upload->Append(bytes).ok());
    ASSERT_TRUE(upload->Finish().ok());
  }

  // What an upload began that ended early is removed a moment after its answer; the next one waits for that.
  static grpc::Status WhenFree(const std::function<grpc::Status()>& upload) {
    grpc::Status status;
    EXPECT_TRUE(testing::Eventually([&] {
      status = upload();
      return status.error_message().find("another upload") == std::string::npos;
    }));
    return status;
  }

  // All that calls about the bytes answer to the caller, with their digest replaced.
  std::vector<std::string> Answers(const std::string& bytes) {
    const std::string digest = Digest(bytes);
    std::vector<std::string> answers;
    const auto add = [&](const grpc::Status& status, const google::protobuf::Message& response) {
      std::string answer = std::to_string(status.error_code()) + " " + status.error_message() + " " +
                           status.error_details() + " " + response.SerializeAsString();
      for (size_t at; (at = answer.find(digest)) != std::string::npos;) answer.replace(at, 64, "DIGEST");
      answers.push_back(answer);
    };
    {
      grpc::ClientContext context;
      v1::FindMissingRequest request;
      request.add_sha256(digest);
      v1::FindMissingResponse response;
      const grpc::Status status = stub_->FindMissing(&context, request, &response);
      add(status, response);
    }
    {
      grpc::ClientContext context;
      v1::QueryUploadRequest request;
      request.set_sha256(digest);
      v1::QueryUploadResponse response;
      const grpc::Status status = stub_->QueryUpload(&context, request, &response);
      add(status, response);
    }
    std::string downloaded;
    for (const int64_t offset : {int64_t{0}, int64_t{5}, int64_t{1} << 40}) {
      const grpc::Status status = Download(digest, offset, &downloaded);
      add(status, v1::DownloadResponse());
      EXPECT_TRUE(downloaded.empty());
    }
    const auto size = static_cast<int64_t>(bytes.size());
    // An upload from where it would go on, of another size, and of nothing.
    for (const auto& header : {Header(digest, size, 7), Header(digest, size + 1), Header(digest, size)}) {
      const grpc::Status status = WhenFree([&] { return Send({header}); });
      add(status, response_);
    }
    const grpc::Status status = WhenFree([&] { return Upload(bytes); });
    add(status, response_);
    return answers;
  }
};

TEST_F(TenantArtifactsTest, WhatAnotherTenantHasIsAnsweredAsWhatNobodyHas) {
  const std::string theirs = RandomBytes(100, 1), nobodys = RandomBytes(100, 2);
  StoreAs("research", theirs);
  const std::vector<std::string> answers = Answers(theirs);
  EXPECT_EQ(answers, Answers(nobodys));
  EXPECT_THAT(answers[0], HasSubstr("DIGEST")) << "missing";
  EXPECT_THAT(answers[2], HasSubstr("not stored"));
  EXPECT_EQ(answers.back().substr(0, 2), "0 ") << "the upload was taken";
  EXPECT_FALSE(response_.already_stored());
}

TEST_F(TenantArtifactsTest, AnUploadThatAnotherTenantHasBegunIsNobodys) {
  const std::string theirs = RandomBytes(100, 1), nobodys = RandomBytes(100, 2);
  const auto store = artifacts_->Of("research").value();
  // It has the right to write that digest, in its own store.
  const auto upload = store->BeginUpload(Digest(theirs), 100, 0).value();
  ASSERT_TRUE(upload->Append(theirs.substr(0, 50)).ok());
  EXPECT_EQ(Answers(theirs), Answers(nobodys));
}

TEST_F(TenantArtifactsTest, DeletingOnesArtifactLeavesAnothersAlone) {
  const std::string bytes = RandomBytes(100, 1);
  StoreAs("research", bytes);
  ASSERT_TRUE(Upload(bytes).ok());
  ASSERT_TRUE(artifacts_->Of("research").value()->Delete(Digest(bytes)).ok());
  std::string downloaded;
  EXPECT_TRUE(Download(Digest(bytes), 0, &downloaded).ok());
  EXPECT_EQ(downloaded, bytes);
}

TEST_F(TenantArtifactsTest, ATenantStoresNoMoreThanItMay) {
  tenants_.Set(kDefaultTenant, {.max_stored_bytes = 250});
  ASSERT_TRUE(Upload(RandomBytes(100, 1)).ok());
  ASSERT_TRUE(Upload(RandomBytes(100, 2)).ok());
  const grpc::Status refused = Upload(RandomBytes(100, 3));
  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(
      refused.error_message(),
      "Tenant default has 200 bytes stored and may have 250, so that 100 more do not fit; delete finished "
      "jobs first.");
  EXPECT_THAT(metrics_.refused_quotas(), ElementsAre("bytes"));
  EXPECT_TRUE(Upload(RandomBytes(100, 1)).ok()) << "it is stored already";
  EXPECT_TRUE(Upload(RandomBytes(50, 4)).ok()) << "this one fits";
  StoreAs("research", RandomBytes(1000, 5));
  tenants_.Set(kDefaultTenant, {.max_stored_bytes = 350});
  EXPECT_TRUE(Upload(RandomBytes(100, 3)).ok()) << "it may store more now";
}

TEST_F(TenantArtifactsTest, FoldersThatAreNoTenantsAreNotOpened) {
  std::filesystem::create_directories(folder_ / "tenants" / "Not A Tenant");
  std::filesystem::create_directories(folder_ / "tenants" / "research");
  LocalTenantArtifactsOptions options;
  options.data_dir = folder_.path();
  const auto artifacts = LocalTenantArtifacts::Open(options).value();
  EXPECT_THAT(artifacts->Tenants(), ElementsAre("default", "research"));
  for (const char* name : {"", "..", "a/b", "A", "-a"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(artifacts->Of(name).status())) << name;
  }
}

}  // namespace
}  // namespace kprune
