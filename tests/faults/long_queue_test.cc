// A server that starts over a long queue. Prints how long it takes; what is asserted is that all of it is
// there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/jobs/sqlite_job_store.h"
#include "tests/faults/faulty_vfs.h"
#include "tests/faults/job_caller.h"
#include "tests/faults/length.h"
#include "tests/server/jobs/job_store_fixture.h"
#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;

double Milliseconds(const std::function<void()>& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleMilliseconds(absl::Now() - start);
}

class LongQueueTest : public ::testing::Test {
 protected:
  // Queues so many jobs for a device that is not there, so that they stay; their names, the newest first.
  std::vector<std::string> Fill(int jobs) {
    fs::create_directories(folder_ / "data");
    FaultyVfs without_syncs;  // which would take most of the time
    JobStoreOptions options;
    options.max_queued_jobs = jobs;
    const auto store = OpenSqliteJobStore(folder_ / "data" / "jobs.db", options).value();
    std::vector<std::string> names;
    for (int i = 0; i < jobs; ++i) {
      NewJob job = SomeJob(absl::StrCat("request-", i));
      job.input.device = "cuda:0";
      job.input.priority = i % 3;
      names.push_back("jobs/" + store->Create(job, kStart + absl::Seconds(i)).value().job.id);
    }
    const double claim = Milliseconds([&] { EXPECT_FALSE(store->Claim("cpu", kStart)->job); });
    std::printf("%d jobs: a claim that finds none for its device %.1f ms", jobs, claim);
    std::reverse(names.begin(), names.end());
    return names;
  }

  const TemporaryFolder folder_;
};

TEST_F(LongQueueTest, TenThousandQueuedJobsAreServedAndListed) {
  const int jobs = ShortOrLong(1000, 10000);
  const std::vector<std::string> names = Fill(jobs);
  Service service(KPRUNE_BIN_DIR, folder_.path(),
                  {"--worker", fs::path(KPRUNE_BIN_DIR) / "fake_worker", "--max-queued-jobs", "20000"});
  const double start = Milliseconds([&] { service.Start(); });
  JobCaller caller(service.address());
  v1::ListJobsRequest request;
  std::vector<std::string> listed;
  std::vector<double> pages;
  for (const v1::JobState filter : {v1::JOB_STATE_UNSPECIFIED, v1::QUEUED}) {
    request.clear_states();
    if (filter != v1::JOB_STATE_UNSPECIFIED) request.add_states(filter);
    listed.clear();
    pages.clear();
    do {
      grpc::ClientContext context;
      JobCaller::Prepare(context);
      v1::ListJobsResponse page;
      pages.push_back(
          Milliseconds([&] { ASSERT_TRUE(caller.jobs().ListJobs(&context, request, &page).ok()); }));
      for (const v1::Job& job : page.jobs()) listed.push_back(job.name());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_EQ(listed, names) << "each once, the newest first";
    std::sort(pages.begin(), pages.end());
    std::printf("; %zu pages of 50%s: median %.1f ms, slowest %.1f ms", pages.size(),
                filter == v1::QUEUED ? " of one state" : "", pages[pages.size() / 2], pages.back());
  }
  std::printf("; serving after %.0f ms\n", start);
}

}  // namespace
}  // namespace kprune::testing
