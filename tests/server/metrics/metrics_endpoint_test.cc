// The series as a real scrape over HTTP sees them.
#include "server/metrics/metrics_endpoint.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "server/jobs/in_memory_job_store.h"
#include "server/jobs/system_clock.h"
#include "server/metrics/prometheus_metrics.h"
#include "server/metrics/queue_collector.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Get(int port, const std::string& path) {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  EXPECT_EQ(::write(socket, request.data(), request.size()), static_cast<ssize_t>(request.size()));
  std::string response;
  char buffer[4096];
  for (ssize_t got; (got = ::read(socket, buffer, sizeof buffer)) > 0;)
    response.append(buffer, static_cast<size_t>(got));
  ::close(socket);
  return response;
}

class MetricsEndpointTest : public ::testing::Test {
 protected:
  MetricsEndpointTest() {
    auto started = MetricsEndpoint::Start(
        "127.0.0.1:0", {metrics_.registry(), std::make_shared<QueueCollector>(&jobs_, &clock_)});
    EXPECT_TRUE(started.ok()) << started.status();
    endpoint_ = *std::move(started);
  }

  std::string Scrape() { return Get(endpoint_->port(), "/metrics"); }

  SystemClock clock_;
  InMemoryJobStore jobs_{JobStoreOptions()};
  PrometheusMetrics metrics_{{"cpu", "cuda:1"}};
  std::unique_ptr<MetricsEndpoint> endpoint_;
};

TEST_F(MetricsEndpointTest, ExamplesEventsAreCountedUnderTheirLabels) {
  metrics_.OnJobFinished("SUCCEEDED", "OK", 12);
  metrics_.OnJobFinished("FAILED", "INVALID_ARGUMENT", 3);
  metrics_.OnSublayerPruned(SublayerKind::kAttention, "cholesky", 0.2);
  metrics_.OnSublayerPruned(SublayerKind::kFeedForward, "ridge", 0.3);
  metrics_.OnSublayerPruned(SublayerKind::kFeedForward, "a label of a hostile worker", 0.4);
  metrics_.OnAttemptStarted(1, 20);
  metrics_.OnAttemptStarted(2, 40);
  metrics_.OnWorkerStarted("cuda:1", 1);
  metrics_.OnWorkerStarted("cpu", 2);
  metrics_.OnWorkerExit("cpu", "crashed");
  metrics_.OnModelPublished({0.5, 0.25, std::nullopt});
  metrics_.OnModelPublished({0.5, 0.25, AgreementFigure{"cosine", 0.75}});
  metrics_.OnPhase(Stage::kVerify, 2);
  metrics_.OnBytesTransferred(Direction::kUpload, 1000);
  metrics_.OnBytesTransferred(Direction::kUpload, 24);
  metrics_.OnRpcFinished("kprune.v1.JobService/CreateJob", "RESOURCE_EXHAUSTED", 0.02);
  metrics_.OnDatabaseCommit(0.002);
  metrics_.OnAuthFailure("bad_token");
  metrics_.OnQuotaRefused("bytes");
  metrics_.OnCertificateExpiry("server", absl::FromUnixSeconds(1900000000));
  metrics_.OnCertificateReloadFailed();
  const std::string page = Scrape();
  EXPECT_THAT(page, HasSubstr("200 OK"));
  EXPECT_THAT(page, HasSubstr("kprune_jobs_finished_total{code=\"OK\",state=\"SUCCEEDED\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_jobs_finished_total{code=\"INVALID_ARGUMENT\",state=\"FAILED\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_sublayers_solved_total{solver=\"ridge\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_sublayers_solved_total{solver=\"other\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_job_attempts_total 2\n"));
  EXPECT_THAT(page, HasSubstr("kprune_queue_wait_seconds_count 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_worker_restarts_total 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_device_busy{device=\"cpu\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("kprune_device_busy{device=\"cuda:1\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_flops_removed_ratio_sum 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_agreement_ratio_sum{measure=\"cosine\"} 0.75\n"));
  EXPECT_THAT(page, HasSubstr("kprune_agreement_ratio_count{measure=\"cosine\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_agreement_ratio_count{measure=\"top1\"} 0\n"))
      << "there from the start";
  EXPECT_THAT(page, HasSubstr("kprune_phase_seconds_sum{phase=\"verify\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("kprune_database_commit_seconds_bucket{le=\"0.0025\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_auth_failures_total{reason=\"bad_token\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_quota_refusals_total{quota=\"bytes\"} 1\n"));
  EXPECT_THAT(page,
              HasSubstr("kprune_certificate_expiry_timestamp_seconds{certificate=\"server\"} 1900000000\n"));
  EXPECT_THAT(page, HasSubstr("kprune_certificate_reload_failures_total 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_build_info{version=\"" KPRUNE_VERSION "\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_job_seconds_count{state=\"SUCCEEDED\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_job_seconds_bucket{state=\"SUCCEEDED\",le=\"15\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_job_seconds_bucket{state=\"SUCCEEDED\",le=\"5\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("kprune_sublayer_seconds_count{kind=\"attention\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_sublayer_seconds_count{kind=\"feed_forward\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("kprune_worker_exits_total{reason=\"crashed\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("kprune_transfer_bytes_total{direction=\"upload\"} 1024\n"));
  EXPECT_THAT(page, HasSubstr("kprune_transfer_bytes_total{direction=\"download\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("kprune_rpc_seconds_count{code=\"RESOURCE_EXHAUSTED\",method=\"kprune.v1."
                              "JobService/CreateJob\"} 1\n"));
}

TEST_F(MetricsEndpointTest, AFreshServerShowsItsSeriesAtZero) {
  const std::string page = Scrape();
  for (const char* reason : {"succeeded", "failed", "cancelled", "crashed", "killed", "drained"}) {
    EXPECT_THAT(page, HasSubstr("kprune_worker_exits_total{reason=\"" + std::string(reason) + "\"} 0\n"));
  }
  EXPECT_THAT(page, HasSubstr("kprune_sublayer_seconds_count{kind=\"attention\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("kprune_job_seconds_count{state=\"CANCELLED\"} 0\n"));
  for (const char* code : {"INVALID_ARGUMENT", "INTERNAL", "RESOURCE_EXHAUSTED", "DATA_LOSS"}) {
    EXPECT_THAT(page, HasSubstr("kprune_jobs_finished_total{code=\"" + std::string(code) +
                                "\",state=\"FAILED\"} 0\n"));
  }
  for (const char* series :
       {"kprune_fenced_writes_total", "kprune_oom_retries_total",
        "kprune_transfer_resumes_total{direction=\"fetch\"}",
        "kprune_auth_failures_total{reason=\"rate_limit\"}", "kprune_device_busy{device=\"cuda:1\"}"}) {
    EXPECT_THAT(page, HasSubstr(std::string(series) + " 0\n"));
  }
}

TEST_F(MetricsEndpointTest, TheQueueIsReadAtEachScrape) {
  std::string page = Scrape();
  for (const JobState state : kJobStates) {
    EXPECT_THAT(page, HasSubstr("kprune_jobs{state=\"" + std::string(JobStateName(state)) + "\"} 0\n"));
  }
  EXPECT_THAT(page, HasSubstr("kprune_queue_oldest_seconds{priority=\"normal\"} 0\n"));

  ASSERT_TRUE(jobs_.Create(NewJob(), clock_.Now() - absl::Hours(1)).ok());
  ASSERT_TRUE(jobs_.Create(NewJob(), clock_.Now()).ok());
  page = Scrape();
  EXPECT_THAT(page, HasSubstr("kprune_jobs{state=\"QUEUED\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("kprune_jobs{state=\"RUNNING\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("kprune_queue_oldest_seconds{priority=\"normal\"} 36")) << "about 3600";
  EXPECT_THAT(page, HasSubstr("kprune_queue_oldest_seconds{priority=\"high\"} 0\n"));

  ASSERT_TRUE(jobs_.Claim("cpu", clock_.Now()).ok());
  EXPECT_THAT(Scrape(), HasSubstr("kprune_jobs{state=\"RUNNING\"} 1\n"));
}

TEST_F(MetricsEndpointTest, OnlyMetricsAreServed) {
  EXPECT_THAT(Get(endpoint_->port(), "/"), HasSubstr("404"));
}

TEST_F(MetricsEndpointTest, AnAddressThatIsTakenOrMalformedIsOneSentence) {
  const std::string taken = "127.0.0.1:" + std::to_string(endpoint_->port());
  const absl::Status status = MetricsEndpoint::Start(taken, {}).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(taken));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
  for (const char* bad : {"", "localhost", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", ":9470"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(MetricsEndpoint::Start(bad, {}).status())) << bad;
  }
}

}  // namespace
}  // namespace kprune
