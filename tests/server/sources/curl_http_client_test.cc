// Exchanges over real HTTPS on loopback.
#include "server/sources/curl_http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/time/clock.h"
#include "tests/support/model_host.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;
using testing::ModelHost;

class RecordingReceiver final : public HttpReceiver {
 public:
  absl::Status OnHead(const HttpHead& received) override {
    head = received;
    return refuse_head;
  }
  absl::Status OnBody(std::string_view bytes) override {
    body += bytes;
    return absl::OkStatus();
  }

  HttpHead head;
  std::string body;
  absl::Status refuse_head;
};

// One host for all tests of the suite.
class CurlHttpClientTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempDirectory;
    host_ = new ModelHost(folder_->path());
    host_->Write("files/config.json", "0123456789");
    host_->Write("s3/bucket/team/a+b/config.json", "of S3 ~ object");
  }
  static void TearDownTestSuite() {
    delete host_;
    delete folder_;
  }

  CurlHttpClientTest() { options_.ca_file = host_->ca_file(); }
  ~CurlHttpClientTest() override { host_->SetRules("{}"); }

  absl::Status Send(const HttpRequest& request) {
    receiver_ = RecordingReceiver();
    return MakeCurlHttpClient(options_)->Send(request, receiver_, go_on_);
  }
  absl::Status Get(const std::string& url) { return Send({.url = *ParseSourceUrl(url)}); }

  HttpRequest Signed(const std::string& path) {
    HttpRequest request;
    request.url = *ParseSourceUrl(host_->Url(path));
    request.sign_with = S3Credentials{testing::kS3KeyId, testing::kS3Secret, ""};
    request.region = testing::kS3Region;
    return request;
  }

  static TempDirectory* folder_;
  static ModelHost* host_;
  CurlHttpClientOptions options_;
  std::function<bool()> go_on_ = [] { return true; };
  RecordingReceiver receiver_;
};

TempDirectory* CurlHttpClientTest::folder_ = nullptr;
ModelHost* CurlHttpClientTest::host_ = nullptr;

TEST_F(CurlHttpClientTest, Examples) {
  ASSERT_TRUE(Get(host_->Url("files/config.json")).ok());
  EXPECT_EQ(receiver_.head.status, 200);
  EXPECT_EQ(receiver_.head.content_length, 10);
  EXPECT_EQ(receiver_.body, "0123456789");

  HttpRequest rest{
      .url = *ParseSourceUrl(host_->Url("files/config.json")), .offset = 4, .etag = receiver_.head.etag};
  ASSERT_TRUE(Send(rest).ok());
  EXPECT_EQ(receiver_.head.status, 206);
  EXPECT_EQ(receiver_.head.range_start, 4);
  EXPECT_EQ(receiver_.body, "456789");

  rest.etag = "\"another\"";
  ASSERT_TRUE(Send(rest).ok());
  EXPECT_EQ(receiver_.head.status, 200) << "the file changed: from its first byte";

  ASSERT_TRUE(Get(host_->Url("files/missing")).ok());
  EXPECT_EQ(receiver_.head.status, 404);
}

TEST_F(CurlHttpClientTest, OneClientUsesItsConnectionAgain) {
  const auto client = MakeCurlHttpClient(options_);
  for (int i = 0; i < 20; ++i) {
    RecordingReceiver receiver;
    ASSERT_TRUE(
        client->Send({.url = *ParseSourceUrl(host_->Url("files/config.json"))}, receiver, go_on_).ok());
    EXPECT_EQ(receiver.body, "0123456789");
  }
}

TEST_F(CurlHttpClientTest, ACertificateOfNobodyThatIsTrustedIsRefused) {
  options_.ca_file.clear();
  const absl::Status status = Get(host_->Url("files/config.json"));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("certificate"));
  EXPECT_EQ(receiver_.head.status, 0);
}

TEST_F(CurlHttpClientTest, ANameOfThisMachineIsRefusedUnlessItsNetworkIsNamed) {
  const absl::Status status = Get(host_->NamedUrl("files/config.json"));
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("--model-source-networks"));
  options_.addresses = *AddressRules::Parse("127.0.0.0/8");
  EXPECT_TRUE(Get(host_->NamedUrl("files/config.json")).ok());
}

TEST_F(CurlHttpClientTest, HostsThatAreNotThereAreUnavailable) {
  const absl::Status unknown = Get("https://no-such-host.invalid/x");
  EXPECT_EQ(unknown.code(), absl::StatusCode::kUnavailable) << unknown;
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("host name was not found"));
  EXPECT_EQ(Get("https://127.0.0.1:1/x").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Get("http://127.0.0.1" + host_->Url().substr(std::string("https://127.0.0.1").size())).code(),
            absl::StatusCode::kUnavailable)
      << "it speaks TLS only";
}

TEST_F(CurlHttpClientTest, ABodyThatIsCutShortIsUnavailable) {
  host_->SetRules(R"({"/files/config.json": {"cut": 4}})");
  const absl::Status status = Get(host_->Url("files/config.json"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(receiver_.body, "0123");
}

TEST_F(CurlHttpClientTest, AHostThatStallsIsGivenUp) {
  host_->SetRules(R"({"/files/config.json": {"gate": "/no/such/file"}})");
  options_.stall_timeout = absl::Seconds(1);
  const absl::Status status = Get(host_->Url("files/config.json"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("almost nothing for 1s"));
}

TEST_F(CurlHttpClientTest, AnExchangeEndsWhereItIsToldToAndWhereTheReceiverSaysSo) {
  host_->SetRules(R"({"/files/config.json": {"gate": "/no/such/file"}})");
  const absl::Time start = absl::Now();
  go_on_ = [&] { return receiver_.body.empty(); };  // until the first half is there
  EXPECT_EQ(Get(host_->Url("files/config.json")).code(), absl::StatusCode::kCancelled);
  EXPECT_LT(absl::Now() - start, absl::Seconds(30)) << "long before it would have stalled";

  host_->SetRules("{}");
  RecordingReceiver refusing;
  refusing.refuse_head = absl::ResourceExhaustedError("too large");
  EXPECT_EQ(
      MakeCurlHttpClient(options_)
          ->Send({.url = *ParseSourceUrl(host_->Url("files/config.json"))}, refusing, [] { return true; })
          .message(),
      "too large");
  EXPECT_EQ(refusing.body, "");
}

TEST_F(CurlHttpClientTest, ATokenIsSentAndARedirectIsNotFollowed) {
  host_->SetRules(R"({"/files/config.json": {"token": "right", "status": 302, "location": "/files/other"}})");
  HttpRequest request{.url = *ParseSourceUrl(host_->Url("files/config.json"))};
  ASSERT_TRUE(Send(request).ok());
  EXPECT_EQ(receiver_.head.status, 401);
  request.bearer_token = "right";
  ASSERT_TRUE(Send(request).ok());
  EXPECT_EQ(receiver_.head.status, 302);
  EXPECT_EQ(receiver_.head.location, "/files/other");
}

TEST_F(CurlHttpClientTest, SignaturesAreRight) {
  ASSERT_TRUE(Send(Signed("bucket/team/a%2Bb/config.json")).ok());
  EXPECT_EQ(receiver_.body, "of S3 ~ object");
  ASSERT_TRUE(Send(Signed("bucket/?list-type=2&prefix=team%2Fa%2Bb%2F")).ok());
  EXPECT_THAT(receiver_.body, HasSubstr("<Key>team/a+b/config.json</Key>"));
  ASSERT_TRUE(Send(Signed("bucket/?continuation-token=2%2B%2F%3D&list-type=2&prefix=team%2F")).ok());
  EXPECT_EQ(receiver_.head.status, 200);

  HttpRequest rest = Signed("bucket/team/a%2Bb/config.json");
  rest.sign_with->session_token = testing::kS3SessionToken;
  ASSERT_TRUE(Send(rest).ok());
  EXPECT_EQ(receiver_.head.status, 200);
  rest.offset = 6;
  rest.etag = receiver_.head.etag;
  ASSERT_TRUE(Send(rest).ok());
  EXPECT_EQ(receiver_.body, "~ object");

  HttpRequest wrong = Signed("bucket/team/a%2Bb/config.json");
  wrong.sign_with->secret_access_key = "another";
  ASSERT_TRUE(Send(wrong).ok());
  EXPECT_EQ(receiver_.head.status, 403);
  EXPECT_THAT(receiver_.body, HasSubstr("<Code>signature</Code>"));
}

}  // namespace
}  // namespace kprune
