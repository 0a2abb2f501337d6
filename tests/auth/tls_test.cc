// The server's TLS, its certificates as they are replaced, and what it refuses to start with.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/auth/guarded_service.h"

namespace kprune::testing {
namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> With(std::vector<std::string> flags, const std::vector<std::string>& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

class TlsTest : public ::testing::Test {
 protected:
  void Start(const std::vector<std::string>& more = {}) {
    service_ = StartServer(folder_.path(), With(access_.TlsFlags(), more));
  }

  std::shared_ptr<grpc::Channel> Connect(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    return NewChannel(service_->address(), credentials);
  }

  // Whether a new connection is served the certificate that is in the folder now.
  bool ServesWhatIsThere() {
    const Process::Environment none;
    Process client(
        {"/usr/bin/openssl", "s_client", "-connect", service_->address(), "-showcerts", "-alpn", "h2"},
        folder_ / "s_client", none);
    client.Wait();
    return client.Output().find(ReadFile(access_.Path("server.pem"))) != std::string::npos;
  }

  // What kprune-server says when it is started with these flags and does not come up.
  std::string Refusal(const std::vector<std::string>& flags) {
    Process server(With({KPRUNE_BIN_DIR "/kprune-server", "--data-dir", folder_ / "data", "--metrics-listen",
                         "off", "--worker", KPRUNE_BIN_DIR "/fake_worker"},
                        flags),
                   folder_ / "refused");
    EXPECT_NE(server.Wait(Seconds(30)), 0) << "it came up";
    return server.Errors();
  }

  const TemporaryFolder folder_;
  AccessFolder access_;
  std::unique_ptr<Service> service_;
};

TEST_F(TlsTest, ExamplesACertificateOrATokenSaysWhoCalls) {
  Start({"--access-file", access_.Path("access.json"), "--tls-client-ca", access_.Path("ca.pem"),
         "--tls-client-auth", "optional"});
  const grpc::Status by_certificate = GetServerInfo(Connect(access_.Tls("robot")));
  EXPECT_TRUE(by_certificate.ok()) << by_certificate.error_message();
  const grpc::Status by_token = GetServerInfo(Connect(access_.Tls()), TokenOf("team-b", Role::kViewer));
  EXPECT_TRUE(by_token.ok()) << by_token.error_message();
  EXPECT_EQ(GetServerInfo(Connect(access_.Tls())).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  WriteCertifiedKey(access_.path(), "stranger", access_.authority().Issue({"stranger", "DNS:x.example.com"}));
  EXPECT_EQ(GetServerInfo(Connect(access_.Tls("stranger"))).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  WriteCertifiedKey(access_.path(), "robot2", access_.authority().Issue({"", "URI:spiffe://x/y,DNS:robot"}));
  EXPECT_TRUE(GetServerInfo(Connect(access_.Tls("robot2"))).ok());
}

TEST_F(TlsTest, WhoeverMustShowACertificateOfTheRightAuthorityGetsNoConnectionWithoutOne) {
  Start({"--tls-client-ca", access_.Path("ca.pem")});
  EXPECT_TRUE(GetServerInfo(Connect(access_.Tls("robot"))).ok());
  EXPECT_EQ(GetServerInfo(Connect(access_.Tls())).error_code(), grpc::StatusCode::UNAVAILABLE);
  CertificateAuthority other;
  WriteCertifiedKey(access_.path(), "forged", other.Issue({"robot", ""}));
  EXPECT_EQ(GetServerInfo(Connect(access_.Tls("forged"))).error_code(), grpc::StatusCode::UNAVAILABLE);
  CertificateSpec expired{"robot", ""};
  expired.to_seconds = -60;
  WriteCertifiedKey(access_.path(), "late", access_.authority().Issue(expired));
  EXPECT_EQ(GetServerInfo(Connect(access_.Tls("late"))).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, OldVersionsAndPlainTextGetNoAnswer) {
  Start();
  EXPECT_TRUE(GetServerInfo(Connect(access_.Tls())).ok());
  EXPECT_EQ(GetServerInfo(Connect(grpc::InsecureChannelCredentials())).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  const auto handshake = [&](const char* version) {
    Process client({"/usr/bin/openssl", "s_client", "-connect", service_->address(), version, "-alpn", "h2",
                    "-cipher", "ALL:@SECLEVEL=0", "-CAfile", access_.Path("ca.pem"), "-verify_return_error"},
                   folder_ / "s_client");
    return client.Wait();
  };
  EXPECT_NE(handshake("-tls1_1"), 0);
  EXPECT_EQ(handshake("-tls1_2"), 0);
  EXPECT_EQ(handshake("-tls1_3"), 0);
}

TEST_F(TlsTest, CertificatesAreSwappedUnderLoadAndNoCallFails) {
  Start({"--access-file", access_.Path("access.json")});
  std::atomic<bool> stop{false};
  std::atomic<int> calls{0}, failed{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      while (!stop) {
        // A new connection each time: every call is a handshake. Tried again as clients do.
        grpc::Status status;
        for (int tries = 0; tries < 3; ++tries) {
          status = GetServerInfo(Connect(access_.Tls()), TokenOf("team-a", Role::kViewer));
          if (status.error_code() != grpc::StatusCode::UNAVAILABLE) break;
        }
        ++calls;
        if (!status.ok()) ++failed;
      }
    });
  }
  const auto old_connection = Connect(access_.Tls());
  EXPECT_TRUE(GetServerInfo(old_connection, TokenOf("team-a", Role::kViewer)).ok());
  for (int swap = 0; swap < 2; ++swap) {
    WriteCertifiedKey(access_.path(), "server", access_.authority().Issue());
    const auto written = steady_clock::now();
    EXPECT_TRUE(Eventually([&] { return ServesWhatIsThere(); }));
    const Seconds took = steady_clock::now() - written;
    EXPECT_LT(took.count(), 5);
    RecordProperty("served_after_seconds", std::to_string(took.count()));
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(GetServerInfo(old_connection, TokenOf("team-a", Role::kViewer)).ok());
  EXPECT_EQ(failed, 0) << "of " << calls;
  EXPECT_GT(calls, 20);
  RecordProperty("calls", calls);
}

TEST_F(TlsTest, AnExpiredOrMismatchedPairAlarmsAndTheOldOneStays) {
  Start();
  const std::string served = ReadFile(access_.Path("server.pem"));
  CertificateSpec expired;
  expired.to_seconds = -60;
  WriteCertifiedKey(access_.path(), "server", access_.authority().Issue(expired));
  EXPECT_TRUE(Eventually([&] { return service_->Log().find("certificate-refused") != std::string::npos; }));
  EXPECT_THAT(service_->Log(), HasSubstr("server.pem is valid from"));
  EXPECT_FALSE(ServesWhatIsThere());
  EXPECT_TRUE(GetServerInfo(Connect(access_.Tls())).ok());
  WriteCertifiedKey(access_.path(), "server",
                    {access_.authority().Issue().certificate, access_.authority().Issue().key});
  EXPECT_TRUE(Eventually(
      [&] { return service_->Log().find("is not that of the certificate") != std::string::npos; }));
  EXPECT_FALSE(ServesWhatIsThere());
  EXPECT_TRUE(GetServerInfo(Connect(access_.Tls())).ok());
}

TEST_F(TlsTest, ClosedByDefault) {
  EXPECT_THAT(Refusal({"--listen", "0.0.0.0:0"}), HasSubstr("give --tls-cert and --tls-key"));
  EXPECT_THAT(Refusal(With(access_.TlsFlags(), {"--listen", "0.0.0.0:0"})),
              HasSubstr("give --access-file or --tls-client-ca"));
  EXPECT_THAT(Refusal({"--tls-cert", access_.Path("server.pem")}), HasSubstr("--tls-key"));
  EXPECT_THAT(Refusal({"--tls-cert", access_.Path("server.pem"), "--tls-key", access_.Path("robot.key")}),
              HasSubstr("is not that of the certificate"));
  WriteFile(access_.Path("broken.json"), R"({"tenants": {}, "identities": [], "x": 1})");
  EXPECT_THAT(Refusal({"--access-file", access_.Path("broken.json")}), HasSubstr("unknown key \"x\""));
}

}  // namespace
}  // namespace kprune::testing
