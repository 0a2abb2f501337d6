// Every method of every service, for every role: own tenant, another tenant, no token, a wrong token. The
// methods come from the protos, so that a new one without a policy fails here.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/auth/guarded_service.h"
#include "tests/server/raw_call.h"

namespace kprune::testing {
namespace {

using google::protobuf::MethodDescriptor;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

const std::vector<std::string> kServices = {v1::ArtifactService::service_full_name(),
                                            v1::JobService::service_full_name(),
                                            v1::ServerService::service_full_name()};

std::vector<const MethodDescriptor*> Methods() {
  std::vector<const MethodDescriptor*> methods;
  for (const std::string& name : kServices) {
    const auto* const service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
  }
  return methods;
}

std::string PathOf(const MethodDescriptor& method) {
  return "/" + method.service()->full_name() + "/" + method.name();
}

// What the design says, told from the names alone and not from the server's table: who reads is a viewer, who
// changes something a submitter, and a monitor only reads what is of no tenant.
bool MayCall(Role role, const std::string& method) {
  const bool of_the_service = method == "GetServerInfo" || method == "GetQueueStats";
  if (role == Role::kMonitor) return of_the_service;
  if (method == "GetQueueStats") return role == Role::kAdmin;
  if (role != Role::kViewer) return true;
  if (method == "Download" || method == "FindMissing" || method == "QueryUpload") return true;
  return method.starts_with("Get") || method.starts_with("List") || method.starts_with("Watch");
}

class AccessMatrixTest : public ::testing::Test {
 protected:
  AccessMatrixTest()
      : service_(StartServer(folder_.path(), {"--access-file", access_.Path("access.json")})),
        channel_(grpc::CreateChannel(service_->address(), grpc::InsecureChannelCredentials())) {}

  grpc::StatusCode Call(const MethodDescriptor& method, const std::string& authorization,
                        const std::string& request = "") {
    last_ = RawCall(channel_, PathOf(method), request, authorization).status;
    return last_.error_code();
  }

  static std::string Bearer(const std::string& tenant, Role role) {
    return "Bearer " + TokenOf(tenant, role);
  }

  v1::File Upload(const std::string& name, const std::string& bytes) {
    v1::File file;
    file.set_name(name);
    file.set_sha256(HashOf(bytes));
    file.set_size(static_cast<int64_t>(bytes.size()));
    v1::UploadRequest header, chunk;
    header.mutable_header()->set_sha256(file.sha256());
    header.mutable_header()->set_size(file.size());
    chunk.set_chunk(bytes);
    const grpc::Status status =
        RawCalls(channel_, "/kprune.v1.ArtifactService/Upload",
                 {header.SerializeAsString(), chunk.SerializeAsString()}, Bearer("team-a", Role::kSubmitter))
            .status;
    EXPECT_TRUE(status.ok()) << status.error_message();
    return file;
  }

  // Of team-a; it ends by itself.
  std::string CreateJob() {
    v1::CreateJobRequest request;
    *request.mutable_spec()->add_model() = Upload("config.json", R"({"fake": {}})");
    *request.mutable_spec()->add_model() = Upload("model.safetensors", "not looked at by the stand-in");
    *request.mutable_spec()->add_data() = Upload("samples.jsonl", "{\"text\": \"a sentence\"}\n");
    const RawAnswer answer = RawCall(channel_, "/kprune.v1.JobService/CreateJob", request.SerializeAsString(),
                                     Bearer("team-a", Role::kSubmitter));
    EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
    v1::Job job;
    job.ParseFromString(answer.bytes);
    return job.name();
  }

  const TemporaryFolder folder_;
  AccessFolder access_;
  const std::unique_ptr<Service> service_;
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::Status last_;
};

TEST_F(AccessMatrixTest, ExamplesWhoHasNoTokenOrAWrongOneGetsNowhere) {
  const std::string right = TokenOf("team-a", Role::kAdmin);
  for (const MethodDescriptor* method : Methods()) {
    SCOPED_TRACE(method->full_name());
    EXPECT_EQ(Call(*method, ""), grpc::StatusCode::UNAUTHENTICATED);
    EXPECT_THAT(last_.error_message(), HasSubstr("--token-file"));
    EXPECT_EQ(Call(*method, "Bearer nonsense"), grpc::StatusCode::UNAUTHENTICATED);
    const std::string of_nonsense = last_.error_message();
    // Nothing tells how near a token was, or that it was right but for its scheme.
    for (const std::string& wrong :
         {"Bearer " + right.substr(0, right.size() - 1), "Bearer " + right + "x", "Bearer " + HashOf(right),
          "Basic " + right, right, std::string("Bearer ")}) {
      EXPECT_EQ(Call(*method, wrong), grpc::StatusCode::UNAUTHENTICATED) << wrong;
      EXPECT_EQ(last_.error_message(), of_nonsense);
    }
    EXPECT_NE(Call(*method, "bearer " + right), grpc::StatusCode::UNAUTHENTICATED);
  }
}

TEST_F(AccessMatrixTest, EveryRoleMayCallWhatItsNameSays) {
  int allowed = 0, refused = 0;
  for (const MethodDescriptor* method : Methods()) {
    for (const Role role : kRoles) {
      SCOPED_TRACE(method->full_name() + " as " + std::string(RoleName(role)));
      const grpc::StatusCode code = Call(*method, Bearer("team-a", role));
      EXPECT_NE(code, grpc::StatusCode::UNAUTHENTICATED);
      EXPECT_EQ(code != grpc::StatusCode::PERMISSION_DENIED, MayCall(role, method->name()))
          << last_.error_message();
      if (code != grpc::StatusCode::PERMISSION_DENIED) {
        ++allowed;
        continue;
      }
      ++refused;
      EXPECT_THAT(last_.error_message(), HasSubstr(std::string(RoleName(role))));
    }
  }
  EXPECT_GT(allowed, 25);
  EXPECT_GT(refused, 10);
}

TEST_F(AccessMatrixTest, AJobIsThereForItsTenantAndForNoOther) {
  int calls = 0;
  for (const MethodDescriptor* method : Methods()) {
    const auto* const name_field = method->input_type()->FindFieldByName("name");
    if (name_field == nullptr) continue;
    for (const std::string tenant : {"team-b", "team-a"}) {
      for (const Role role : {Role::kViewer, Role::kSubmitter, Role::kAdmin}) {
        if (!MayCall(role, method->name())) continue;
        SCOPED_TRACE(method->full_name() + " as " + tenant + "'s " + std::string(RoleName(role)));
        const std::unique_ptr<google::protobuf::Message> request(
            google::protobuf::MessageFactory::generated_factory()->GetPrototype(method->input_type())->New());
        request->GetReflection()->SetString(request.get(), name_field, CreateJob());
        const grpc::StatusCode code = Call(*method, Bearer(tenant, role), request->SerializeAsString());
        ++calls;
        if (tenant == "team-a" || role == Role::kAdmin) {
          EXPECT_NE(code, grpc::StatusCode::NOT_FOUND) << last_.error_message();
        } else {
          EXPECT_EQ(code, grpc::StatusCode::NOT_FOUND) << last_.error_message();
        }
        EXPECT_NE(code, grpc::StatusCode::PERMISSION_DENIED) << last_.error_message();
      }
    }
  }
  EXPECT_GE(calls, 20);
}

TEST_F(AccessMatrixTest, AnArtifactIsThereForItsTenantAndForNoOther) {
  const std::string sha256 = Upload("config.json", "of team-a alone").sha256();
  v1::DownloadRequest download;
  download.set_sha256(sha256);
  v1::FindMissingRequest find;
  find.add_sha256(sha256);
  v1::QueryUploadRequest query;
  query.set_sha256(sha256);
  for (const std::string tenant : {"team-a", "team-b"}) {
    for (const Role role : {Role::kViewer, Role::kSubmitter}) {
      SCOPED_TRACE(tenant + "'s " + std::string(RoleName(role)));
      const bool own = tenant == "team-a";
      const auto call = [&](const std::string& method, const google::protobuf::Message& request) {
        return RawCall(channel_, "/kprune.v1.ArtifactService/" + method, request.SerializeAsString(),
                       Bearer(tenant, role));
      };
      EXPECT_EQ(call("Download", download).status.error_code(),
                own ? grpc::StatusCode::OK : grpc::StatusCode::NOT_FOUND);
      v1::FindMissingResponse missing;
      ASSERT_TRUE(missing.ParseFromString(call("FindMissing", find).bytes));
      EXPECT_EQ(missing.sha256_size(), own ? 0 : 1);
      v1::QueryUploadResponse state;
      ASSERT_TRUE(state.ParseFromString(call("QueryUpload", query).bytes));
      EXPECT_EQ(state.complete(), own);
      EXPECT_EQ(state.committed_size() > 0, own);
    }
  }
}

// Only who is an admin names another tenant, and who is none does not learn what is there.
TEST_F(AccessMatrixTest, AnotherTenantIsAnAdminsToName) {
  const v1::File theirs = Upload("config.json", "of team-a alone");
  int methods = 0;
  for (const MethodDescriptor* method : Methods()) {
    const auto* const tenant_field = method->input_type()->FindFieldByName("tenant");
    if (tenant_field == nullptr) continue;
    ++methods;
    const auto* const sha256_field = method->input_type()->FindFieldByName("sha256");
    for (const std::string tenant : {"team-a", "team-b"}) {
      for (const Role role : {Role::kViewer, Role::kSubmitter, Role::kAdmin}) {
        SCOPED_TRACE(method->full_name() + " as " + tenant + "'s " + std::string(RoleName(role)));
        // How the call ends that names team-a.
        const auto call = [&](const std::string& sha256) {
          const std::unique_ptr<google::protobuf::Message> request(
              google::protobuf::MessageFactory::generated_factory()
                  ->GetPrototype(method->input_type())
                  ->New());
          request->GetReflection()->SetString(request.get(), tenant_field, "team-a");
          if (sha256_field != nullptr)
            request->GetReflection()->SetString(request.get(), sha256_field, sha256);
          return Call(*method, Bearer(tenant, role), request->SerializeAsString());
        };
        const bool may = tenant == "team-a" || role == Role::kAdmin;
        EXPECT_EQ(call(theirs.sha256()), may ? grpc::StatusCode::OK : grpc::StatusCode::PERMISSION_DENIED);
        const std::string answer = last_.error_message();
        const grpc::StatusCode of_nothing = call(HashOf("of nobody"));
        if (may) {
          EXPECT_EQ(of_nothing, sha256_field == nullptr ? grpc::StatusCode::OK : grpc::StatusCode::NOT_FOUND);
        } else {
          EXPECT_EQ(of_nothing, grpc::StatusCode::PERMISSION_DENIED);
          EXPECT_EQ(last_.error_message(), answer);
        }
      }
    }
  }
  EXPECT_GE(methods, 2) << "ListJobs and Download";
}

TEST_F(AccessMatrixTest, AnAdminDownloadsFromTheTenantThatItNamesAndMakesNone) {
  v1::DownloadRequest request;
  request.set_sha256(Upload("config.json", "of team-a alone").sha256());
  const auto download = [&](const std::string& tenant) {
    request.set_tenant(tenant);
    const RawAnswer answer = RawCall(channel_, "/kprune.v1.ArtifactService/Download",
                                     request.SerializeAsString(), Bearer("team-b", Role::kAdmin));
    last_ = answer.status;
    v1::DownloadResponse response;
    EXPECT_TRUE(response.ParseFromString(answer.bytes));
    return response.chunk();
  };
  EXPECT_EQ(download("team-a"), "of team-a alone") << last_.error_message();
  for (const char* tenant : {"", "team-b", "team-c"}) {
    EXPECT_EQ(download(tenant), "");
    EXPECT_EQ(last_.error_code(), grpc::StatusCode::NOT_FOUND) << tenant;
    EXPECT_THAT(last_.error_message(), HasSubstr("is not stored"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "data/tenants/team-c"));
  EXPECT_EQ(download("../team-a"), "");
  EXPECT_EQ(last_.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << last_.error_message();
}

TEST_F(AccessMatrixTest, HealthIsOpenAndReflectionIsNot) {
  EXPECT_EQ(Health(channel_, ""), "SERVING");
  EXPECT_EQ(RawCall(channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*")
                .status.error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

// A whole service that this matrix did not know would be seen here.
TEST(ServedServicesTest, AreThoseOfTheMatrix) {
  const TemporaryFolder folder;
  const AccessFolder access;
  const auto service =
      StartServer(folder.path(), {"--access-file", access.Path("access.json"), "--reflection", "on"});
  const RawAnswer answer =
      RawCall(grpc::CreateChannel(service->address(), grpc::InsecureChannelCredentials()),
              "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  std::string rest = answer.bytes;
  for (const std::string& name : kServices) {
    const size_t at = rest.find(name);
    ASSERT_NE(at, std::string::npos) << name;
    rest.erase(at, name.size());
  }
  EXPECT_THAT(rest, Not(HasSubstr("kprune.")));
}

}  // namespace
}  // namespace kprune::testing
