#include "server/rpc/health_endpoint.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/server/raw_call.h"

namespace kprune {
namespace {

using ::kprune::testing::Health;
using ::testing::HasSubstr;

std::shared_ptr<grpc::Channel> ChannelTo(const HealthEndpoint& endpoint) {
  return grpc::CreateChannel("127.0.0.1:" + std::to_string(endpoint.port()),
                             grpc::InsecureChannelCredentials());
}

TEST(HealthEndpointTest, ExamplesReadinessFollowsServingAndLivenessDoesNot) {
  const auto endpoint = HealthEndpoint::Start("127.0.0.1:0").value();
  const auto channel = ChannelTo(*endpoint);
  for (const bool serving : {false, true, false}) {
    endpoint->SetServing(serving);
    EXPECT_EQ(Health(channel, ""), serving ? "SERVING" : "NOT_SERVING");
    EXPECT_EQ(Health(channel, HealthEndpoint::kLiveness), "SERVING");
  }
}

TEST(HealthEndpointTest, NothingElseIsServed) {
  const auto endpoint = HealthEndpoint::Start("127.0.0.1:0").value();
  const auto answer = kprune::testing::RawCall(ChannelTo(*endpoint), "/kprune.v1.JobService/ListJobs", "");
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << answer.status.error_message();
}

TEST(HealthEndpointTest, AnAddressThatIsNoneOrIsTakenIsRefused) {
  const auto endpoint = HealthEndpoint::Start("127.0.0.1:0").value();
  const auto none = HealthEndpoint::Start("8471");
  EXPECT_EQ(none.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(none.status().message()), HasSubstr("--health-listen \"8471\""));
  const auto taken = HealthEndpoint::Start("127.0.0.1:" + std::to_string(endpoint->port()));
  EXPECT_EQ(taken.status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace kprune
