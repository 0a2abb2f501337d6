// To a caller, another tenant's job is one that is not there: same code, same sentence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "server/rpc/job_convert.h"
#include "tests/fakes/fake_tenants.h"
#include "tests/server/rpc/job_service_fixture.h"

namespace kprune {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class TenantJobsTest : public JobServiceTest {
 protected:
  JobManager& jobs() { return parts_->manager; }

  // A job of the tenant, whose files it has stored.
  std::string CreateFor(const std::string& tenant) {
    const v1::CreateJobRequest request = Request({{"tenant", tenant}});
    for (const v1::File& file : request.spec().model()) CopyTo(tenant, file.sha256());
    CopyTo(tenant, request.spec().data(0).sha256());
    const absl::StatusOr<JobRecord> job = jobs().Create(Submitter(tenant), FromProto(request.spec()), "");
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? job->id : "";
  }

  static Caller Submitter(const std::string& tenant) {
    return {.tenant = tenant, .role = Role::kSubmitter, .subject = "a test"};
  }

  // What every method says of the job to the caller, its id left out.
  std::vector<std::string> Answers(const Caller& caller, const std::string& id) {
    const std::string name = "jobs/" + id;
    std::vector<std::string> answers;
    for (const absl::Status& status :
         {jobs().Get(caller, name).status(), jobs().Cancel(caller, name).status(),
          jobs().EndEarly(caller, name).status(), jobs().Retry(caller, name).status(),
          jobs().Delete(caller, name)}) {
      std::string answer = status.ToString();
      if (const size_t at = answer.find(id); at != std::string::npos) answer.replace(at, id.size(), "ID");
      answers.push_back(answer);
    }
    return answers;
  }

 private:
  void CopyTo(const std::string& tenant, const std::string& sha256) {
    std::string bytes;
    ASSERT_TRUE((*artifacts_.OpenForRead(sha256, 0))->Read(1 << 20, &bytes).ok());
    tenants_.Store(tenant).Put(bytes);
  }
};

TEST_F(TenantJobsTest, AnotherTenantsJobIsNotThere) {
  const std::string theirs = CreateFor("research");
  const std::vector<std::string> answers = Answers(Submitter("sales"), theirs);
  EXPECT_EQ(answers, Answers(Submitter("sales"), "0123456789abcdef"));
  EXPECT_THAT(answers, testing::Each("NOT_FOUND: There is no job jobs/ID."));
  const absl::StatusOr<JobRecord> job = jobs().Get(Submitter("research"), "jobs/" + theirs);
  EXPECT_EQ(job->state, JobState::kQueued) << "nothing happened to it";
}

TEST_F(TenantJobsTest, AnAdminSeesAndEndsAJobOfAnyTenant) {
  const std::string theirs = CreateFor("research");
  v1::Job job;
  ASSERT_TRUE(Get("jobs/" + theirs, &job).ok()) << "who calls a server without access file is its admin";
  EXPECT_EQ(job.tenant(), "research");
  EXPECT_EQ(Watch("jobs/" + theirs, 0, 1).size(), 1u);
  EXPECT_TRUE(Cancel("jobs/" + theirs, &job).ok());
  EXPECT_TRUE(Delete("jobs/" + theirs).ok());
  EXPECT_TRUE(tenants_.Store("research").ListUnused(absl::InfiniteFuture())->empty())
      << "its artifacts went with it";
}

TEST_F(TenantJobsTest, AJobOfAnotherTenantsArtifactsIsRefusedAsOneOfUnknownOnes) {
  const Artifact theirs = tenants_.Store("research").Put("their weights");
  const auto create = [&](const std::string& sha256) {
    v1::CreateJobRequest request = Request();
    request.mutable_spec()->mutable_model(1)->set_sha256(sha256);
    request.mutable_spec()->mutable_model(1)->set_size(theirs.size_bytes);
    v1::Job job;
    const grpc::Status status = Create(request, &job);
    std::string answer = std::to_string(status.error_code()) + status.error_message();
    if (const size_t at = answer.find(sha256); at != std::string::npos) answer.replace(at, 64, "DIGEST");
    return answer;
  };
  const std::string answer = create(theirs.sha256);
  EXPECT_EQ(answer, create(std::string(64, '0')));
  EXPECT_THAT(answer, HasSubstr("is not uploaded completely; upload artifact DIGEST first."));
}

TEST_F(TenantJobsTest, AListIsOfOnesOwnTenantUnlessAnAdminAsksForMore) {
  const std::string theirs = CreateFor("research"), mine = CreateFor(kDefaultTenant);
  const auto list = [&](const Caller& caller, const std::string& tenant) {
    ListQuery query;
    query.tenant = tenant;
    std::vector<std::string> ids;
    const absl::StatusOr<JobPage> page = jobs().List(caller, query);
    if (!page.ok()) return std::vector<std::string>{page.status().ToString()};
    for (const JobRecord& job : page->jobs) ids.push_back(job.id);
    return ids;
  };
  EXPECT_THAT(list(Submitter("research"), ""), ElementsAre(theirs));
  EXPECT_THAT(list(Submitter("research"), "research"), ElementsAre(theirs));
  for (const char* asked : {"-", "default", "nobody"}) {
    EXPECT_THAT(list(Submitter("research"), asked),
                ElementsAre("PERMISSION_DENIED: Only an admin lists the jobs of other tenants; leave tenant "
                            "empty for those of research."));
  }
  EXPECT_THAT(list(Caller(), ""), ElementsAre(mine));
  EXPECT_THAT(list(Caller(), "research"), ElementsAre(theirs));
  EXPECT_THAT(list(Caller(), "-"), ElementsAre(mine, theirs));
  EXPECT_THAT(list(Caller(), "No One"), ElementsAre(HasSubstr("INVALID_ARGUMENT")));

  grpc::ClientContext context;
  v1::ListJobsRequest request;
  request.set_tenant("-");
  v1::ListJobsResponse response;
  ASSERT_TRUE(stub_->ListJobs(&context, request, &response).ok());
  EXPECT_EQ(response.jobs_size(), 2);
}

TEST_F(TenantJobsTest, ARefusalForAQuotaIsCounted) {
  FakeTenants limits;
  limits.Set("research", {.max_queued_jobs = 1});
  store_options_.tenants = &limits;
  RestartServer();
  CreateFor("research");
  const v1::CreateJobRequest request = Request({{"tenant", "research"}});
  const absl::Status refused = jobs().Create(Submitter("research"), FromProto(request.spec()), "").status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_THAT(metrics_.events(), Contains("quota jobs"));
  StopServer();
}

}  // namespace
}  // namespace kprune
