#include "server/grpc_endpoint.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "kprune/options.h"
#include "kprune/supported_models.h"
#include "server/metrics/prometheus_metrics.h"
#include "server/rpc/server_service.h"
#include "tests/fakes/open_gate.h"
#include "tests/server/raw_call.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::kprune::testing::Health;
using ::kprune::testing::RawCall;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;

class GrpcEndpointTest : public ::testing::Test {
 protected:
  GrpcEndpointTest() {
    endpoint_ = GrpcEndpoint::Start("127.0.0.1:0", {&service_}, &metrics_).value();
    channel_ = grpc::CreateChannel(address(), grpc::InsecureChannelCredentials());
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(endpoint_->port()); }

  // The samples of a family.
  std::vector<prometheus::ClientMetric> Samples(const std::string& name) const {
    for (const prometheus::MetricFamily& family : metrics_.registry()->Collect()) {
      if (family.name == name) return family.metric;
    }
    return {};
  }

  // Whether a call ended with that code.
  bool WasCounted(const std::string& code) const {
    for (const prometheus::ClientMetric& metric : Samples("kprune_rpc_seconds")) {
      for (const auto& label : metric.label) {
        if (label.name == "code" && label.value == code && metric.histogram.sample_count > 0) return true;
      }
    }
    return false;
  }

  // -1: no such method.
  double OpenStreams(const std::string& method) const {
    for (const prometheus::ClientMetric& metric : Samples("kprune_open_streams")) {
      if (metric.label.front().value == method) return metric.gauge.value;
    }
    return -1;
  }

  PrometheusMetrics metrics_;
  OpenGate gate_{metrics_};
  ServerServiceImpl service_{{{"cpu", "a processor", 1024}, {"cuda:0", "a GPU", 2048}}, {100, 10, 256}, gate_.gate};
  std::unique_ptr<GrpcEndpoint> endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(GrpcEndpointTest, ExamplesTheServerSaysWhatItIs) {
  grpc::ClientContext context;
  v1::ServerInfo info;
  ASSERT_TRUE(v1::ServerService::NewStub(channel_)->GetServerInfo(&context, {}, &info).ok());
  EXPECT_EQ(info.version(), KPRUNE_VERSION);
  ASSERT_EQ(info.devices_size(), 2);
  EXPECT_EQ(info.devices(1).id(), "cuda:0");
  EXPECT_EQ(info.devices(1).name(), "a GPU");
  EXPECT_EQ(info.devices(1).memory_bytes(), 2048);
  EXPECT_THAT(info.families(), ElementsAreArray(kFamilies));
  EXPECT_THAT(info.tasks(), ElementsAreArray(kTasks));
  ASSERT_EQ(info.support_size(), static_cast<int>(kSupportedFamilies.size()));
  for (size_t i = 0; i < kSupportedFamilies.size(); ++i) {
    const v1::FamilySupport& support = info.support(static_cast<int>(i));
    EXPECT_EQ(support.family(), kSupportedFamilies[i].model_type);
    EXPECT_FALSE(support.tasks().empty());
    const bool dense =
        std::find(support.exports().begin(), support.exports().end(), "dense") != support.exports().end();
    EXPECT_EQ(dense, HasExport(kSupportedFamilies[i], "dense"));
  }
  EXPECT_THAT(info.methods(), ElementsAreArray(kMethods));
  EXPECT_EQ(info.limits().max_chunk_bytes(), 1 << 20);
  EXPECT_EQ(info.limits().max_artifact_bytes(), 100);
  EXPECT_EQ(info.limits().max_queued_jobs(), 10);
  EXPECT_EQ(info.limits().max_files(), 256);
}

TEST_F(GrpcEndpointTest, EveryMethodHasItsSeriesBeforeItIsCalled) {
  for (const char* stream : {"kprune.v1.ArtifactService/Upload", "kprune.v1.ArtifactService/Download",
                             "kprune.v1.JobService/WatchJob"}) {
    EXPECT_EQ(OpenStreams(stream), 0) << stream;
  }
  EXPECT_EQ(OpenStreams("kprune.v1.JobService/CreateJob"), -1) << "no stream";
  EXPECT_EQ(Samples("kprune_rpc_seconds").size(), 13u) << "one for each method";
  EXPECT_FALSE(WasCounted("OK"));
}

TEST_F(GrpcEndpointTest, HealthFollowsServingForTheServerAndEachService) {
  for (const char* name :
       {"", "kprune.v1.JobService", "kprune.v1.ArtifactService", "kprune.v1.ServerService"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(Health(channel_, name), "NOT_SERVING");
    endpoint_->SetServing(true);
    EXPECT_EQ(Health(channel_, name), "SERVING");
    endpoint_->SetServing(false);
    EXPECT_EQ(Health(channel_, name), "NOT_SERVING");
  }
  EXPECT_EQ(Health(channel_, "another.Service"), "error 5");
}

TEST_F(GrpcEndpointTest, ReflectionListsTheServices) {
  // ServerReflectionRequest {string list_services = 7}
  const auto answer =
      RawCall(channel_, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "\x3a\x01*");
  ASSERT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_THAT(answer.bytes, HasSubstr("kprune.v1.ServerService"));
  EXPECT_THAT(answer.bytes, HasSubstr("grpc.health.v1.Health"));
}

TEST_F(GrpcEndpointTest, BytesThatAreNoRequestAreAnInvalidArgument) {
  for (const std::string& request : {std::string("\x0a\xff\xff\xff\xff\x0f"), std::string("\x0f")}) {
    const auto answer = RawCall(channel_, "/kprune.v1.ServerService/GetServerInfo", request);
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(answer.status.error_message(),
                HasSubstr("no message that /kprune.v1.ServerService/GetServerInfo takes"));
  }
  EXPECT_TRUE(testing::Eventually([&] { return WasCounted("INVALID_ARGUMENT"); }));
  EXPECT_FALSE(WasCounted("UNIMPLEMENTED"));
}

TEST_F(GrpcEndpointTest, AMessageOverFiveMebibytesIsResourceExhausted) {
  const auto answer = RawCall(channel_, "/kprune.v1.ServerService/GetServerInfo",
                              std::string("\x0a\x80\x80\xc0\x02", 5) + std::string(5 << 20, 'x'));
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("larger than max"));
}

TEST_F(GrpcEndpointTest, AnAddressIsNeverShared) {
  const absl::Status taken = GrpcEndpoint::Start(address(), {}, &metrics_).status();
  EXPECT_TRUE(absl::IsUnavailable(taken)) << taken;
  EXPECT_THAT(std::string(taken.message()), HasSubstr(address()));
}

TEST_F(GrpcEndpointTest, AnAddressIsAHostAndAPort) {
  for (const char* address : {"nowhere", ":8470", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:65536",
                              "127.0.0.1:-1", "127.0.0.1:http", "127.0.0.1: 1", ""}) {
    const absl::Status refused = GrpcEndpoint::Start(address, {}, &metrics_).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << address;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("a port from 0 to 65535"));
  }
  EXPECT_TRUE(GrpcEndpoint::Start("localhost:0", {}, &metrics_).ok());
}

}  // namespace
}  // namespace kprune
