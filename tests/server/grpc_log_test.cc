// What strangers at the port make gRPC say, in the log of a real server.
#include "server/grpc_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/certificates.h"
#include "tests/support/service.h"

namespace kprune::testing {
namespace {

using nlohmann::json;
using std::chrono::steady_clock;
using ::testing::HasSubstr;

// A server with TLS that logs as JSON.
class GrpcLogTest : public ::testing::Test {
 protected:
  GrpcLogTest() {
    WriteCertifiedKey(folder_.path(), "server", CertificateAuthority().Issue());
    service_.Start();
  }

  // Whoever speaks plain HTTP to it.
  void SendPlainText(int times) const {
    for (int i = 0; i < times; ++i) EXPECT_EQ(HttpGet(service_.address(), "/\"odd\"\t{}"), "");
  }

  // The events of the log; a line that is no JSON object fails the test.
  std::vector<json> Events() const {
    std::vector<json> events;
    std::istringstream lines(service_.Log());
    // The last line may be half written.
    for (std::string line; std::getline(lines, line) && !lines.eof();) {
      events.push_back(json::parse(line, nullptr, /*allow_exceptions=*/false));
      EXPECT_TRUE(events.back().is_object() && events.back().contains("event")) << line;
    }
    return events;
  }

  std::vector<json> Events(const std::string& name) const {
    std::vector<json> events = Events();
    std::erase_if(events, [&](const json& event) { return event.at("event") != name; });
    return events;
  }

  const TemporaryFolder folder_;
  Service service_{KPRUNE_BIN_DIR,
                   folder_.path(),
                   {"--worker", KPRUNE_BIN_DIR "/fake_worker", "--log-format", "json", "--tls-cert",
                    folder_ / "server.pem", "--tls-key", folder_ / "server.key"}};
};

TEST_F(GrpcLogTest, ExamplesAClientWithoutTlsIsAnEventAsAnyOther) {
  SendPlainText(1);
  ASSERT_TRUE(Eventually([&] { return !Events("grpc").empty(); })) << service_.Log();
  const json event = Events("grpc").front();
  EXPECT_EQ(event.at("level"), "warning");
  EXPECT_THAT(event.at("message").get<std::string>(), HasSubstr("Handshake failed"));
  EXPECT_THAT(event.at("source").get<std::string>(), HasSubstr(".cc:"));
  EXPECT_EQ(service_.Drain(), 0);
  EXPECT_EQ(Events("stopped").size(), 1u);
}

TEST_F(GrpcLogTest, AFloodOfThemFillsNoDiskAndIsCounted) {
  const auto start = steady_clock::now();
  int sent = 0;
  ASSERT_TRUE(Eventually([&] {
    SendPlainText(50);
    sent += 50;
    return !Events("grpc-held-back").empty();
  })) << service_.Log();
  const Seconds took = steady_clock::now() - start;
  const std::string source = Events("grpc").front().at("source");
  EXPECT_EQ(Events("grpc-flood").front().at("lines_a_second"), std::to_string(kGrpcLinesASecond));
  int written = 0, held_back = 0;
  for (const json& event : Events("grpc")) written += event.at("source") == source;
  for (const json& event : Events("grpc-held-back"))
    if (event.at("source") == source) held_back += std::stoi(event.at("lines").get<std::string>());
  EXPECT_GT(held_back, 0);
  EXPECT_LE(written + held_back, sent);
  EXPECT_LE(written, kGrpcLinesASecond * (took.count() + 1));
}

}  // namespace
}  // namespace kprune::testing
