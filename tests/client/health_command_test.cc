// What a container's health check sees: the exit code and the one line.
#include <gmock/gmock.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kprune/v1/server_service.grpc.pb.h"
#include "tests/client/program.h"

namespace kprune::client {
namespace {

using ::testing::HasSubstr;

class HealthCommandTest : public ::testing::Test {
 protected:
  HealthCommandTest() {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    server_->GetHealthCheckService()->SetServingStatus("liveness", true);
  }

  Outcome Health(std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {"health", "--server", "127.0.0.1:" + std::to_string(port_)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunProgram(arguments);
  }

  int port_ = 0;
  kprune::v1::ServerService::Service service_;  // gRPC builds no server that has none
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(HealthCommandTest, Examples) {
  server_->GetHealthCheckService()->SetServingStatus("", true);
  EXPECT_EQ(Health().exit_code, 0);
  EXPECT_EQ(Health().out, "SERVING\n");

  server_->GetHealthCheckService()->SetServingStatus("", false);
  const Outcome draining = Health();
  EXPECT_EQ(draining.exit_code, 1);
  EXPECT_EQ(draining.out, "");
  EXPECT_THAT(draining.err, HasSubstr("is NOT_SERVING: the server starts or drains"));
  EXPECT_EQ(Health({"--service", "liveness"}).exit_code, 0) << "what drains is alive";
}

TEST_F(HealthCommandTest, AServiceThatNobodyHasIsAFailureWithItsName) {
  const Outcome outcome = Health({"--service", "another"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("knows no health of \"another\""));
}

TEST_F(HealthCommandTest, AServerThatIsGoneIsAFailure) {
  server_->Shutdown();
  server_.reset();
  const Outcome outcome = Health();
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("no server can be reached at 127.0.0.1:"));
}

}  // namespace
}  // namespace kprune::client
