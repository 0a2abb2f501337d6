// Sources that are listed: S3 prefixes and repositories of the hub.
#include "tests/server/sources/model_fetcher_fixture.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class S3SourceTest : public ModelFetcherTest {
 protected:
  S3SourceTest() {
    testing::WriteFile(secrets_ / "credentials",
                       "[default]\naws_access_key_id = AKID\naws_secret_access_key = hunter2\n");
    options_.s3_credentials_file = secrets_ / "credentials";
    options_.s3_region = "eu-test-1";
    for (const char* name :
         {"config.json", "model.safetensors", "pytorch_model.bin", "1_Pooling/config.json"})
      ServeAt(kBucket + "team/a%2Bb/" + name, name);
    ServeAt(kBucket + "team/a%2Bb/modules.json", R"([{"path": "1_Pooling"}])");
  }

  static std::string Object(const std::string& key, int size) {
    return absl::StrCat("<Contents><Key>", key, "</Key><Size>", size, "</Size></Contents>");
  }

  inline static const std::string kBucket = "https://s3.example.com/bucket/";
  inline static const std::string kList = kBucket + "?list-type=2&prefix=team%2Fa%2Bb%2F";
  TempDirectory secrets_;
};

TEST_F(S3SourceTest, Examples) {
  ServeAt(
      kList,
      "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>1+/=</NextContinuationToken>" +
          Object("team/a+b/config.json", 11) + Object("team/a+b/pytorch_model.bin", 17) +
          Object("team/a+b/modules.json", 23) + "</ListBucketResult>");
  ServeAt(kBucket + "?continuation-token=1%2B%2F%3D&list-type=2&prefix=team%2Fa%2Bb%2F",
          "<ListBucketResult><IsTruncated>false</IsTruncated>" + Object("team/a+b/model.safetensors", 17) +
              Object("team/a+b/1_Pooling/config.json", 21) + Object("other/vocab.txt", 5) +
              "</ListBucketResult>");
  EXPECT_THAT(Fetch("s3://bucket/team/a+b"),
              UnorderedElementsAre(Key("config.json"), Key("modules.json"), Key("1_Pooling/config.json"),
                                   Key("model.safetensors")))
      << status_;
  // Two pages and four files; nothing else was asked for, and everything was signed.
  EXPECT_THAT(host_.requests(), SizeIs(6));
  for (const HttpRequest& request : host_.requests()) {
    ASSERT_TRUE(request.sign_with.has_value());
    EXPECT_EQ(request.sign_with->secret_access_key, "hunter2");
    EXPECT_EQ(request.region, "eu-test-1");
  }
}

TEST_F(S3SourceTest, AnObjectOfAnotherSizeThanListedIsALoss) {
  ServeAt(kList, "<ListBucketResult>" + Object("team/a+b/config.json", 12) + "</ListBucketResult>");
  ExpectFailure(absl::StatusCode::kDataLoss,
                "config.json at s3://bucket/team/a+b/ has 11 bytes instead of the 12",
                "s3://bucket/team/a+b");
}

TEST_F(S3SourceTest, AListedObjectThatIsGoneIsMissed) {
  ServeAt(kList, "<ListBucketResult>" + Object("team/a+b/config.json", 11) + Object("team/a+b/vocab.txt", 5) +
                     "</ListBucketResult>");
  ExpectFailure(absl::StatusCode::kNotFound, "vocab.txt: it does not exist (404)", "s3://bucket/team/a+b");
}

TEST_F(S3SourceTest, ALockedUnknownOrStrangeBucketIsAFailure) {
  host_.Serve(kList, {{.body = "<Error><Secret>hunter2</Secret></Error>", .status = 403}});
  ExpectFailure(absl::StatusCode::kPermissionDenied, kBucket, "s3://bucket/team/a+b");
  host_.Serve(kList, {{.status = 404}});
  ExpectFailure(absl::StatusCode::kNotFound, kBucket, "s3://bucket/team/a+b");
  host_.Serve(kList, {{.status = 301}});
  ExpectFailure(absl::StatusCode::kFailedPrecondition, "--s3-region", "s3://bucket/team/a+b");
  for (const char* strange : {"", "hunter2", "<html/>", "<ListBucketResult>"}) {
    ServeAt(kList, strange);
    ExpectFailure(absl::StatusCode::kFailedPrecondition, "check --s3-endpoint", "s3://bucket/team/a+b");
  }
  ServeAt(kList, "<ListBucketResult/>");
  ExpectFailure(absl::StatusCode::kNotFound, "There is no config.json at s3://bucket/team/a+b/",
                "s3://bucket/team/a+b");
}

TEST_F(S3SourceTest, ARedirectOutOfTheBucketIsNotSigned) {
  options_.allowed = *SourceAllowList::Parse("s3://bucket/ https://elsewhere.example.com/");
  ServeAt(kList, "<ListBucketResult>" + Object("team/a+b/config.json", 11) +
                     Object("team/a+b/model.safetensors", 17) + "</ListBucketResult>");
  host_.Serve(kBucket + "team/a%2Bb/config.json",
              {{.status = 307, .location = "https://elsewhere.example.com/c"}});
  ServeAt("https://elsewhere.example.com/c", "config.json");
  EXPECT_THAT(Fetch("s3://bucket/team/a+b"), SizeIs(2)) << status_;
  for (const HttpRequest& request : host_.requests())
    EXPECT_EQ(request.sign_with.has_value(), request.url.host == "s3.example.com");
}

class HubSourceTest : public ModelFetcherTest {
 protected:
  HubSourceTest() {
    options_.hub_mirror = *ParseSourceFolder("https://mirror.example.com/hf");
    ServeAt(kInfo, "{\"sha\": \"" + kCommit + R"(", "siblings": [{"rfilename": "config.json", "size": 2},
              {"rfilename": ".gitattributes"}, {"rfilename": "../x"}, {"rfilename": 1}, 7, {"rfilename": "pytorch_model.bin", "size": 8},
              {"rfilename": "model.safetensors", "size": 1007, "lfs": {"sha256": ")" +
                       Sha256Of(kWeights) + "\"}}]}");
    ServeAt(kMirror + "org/name/resolve/" + kCommit + "/config.json", "{}");
    ServeAt(kMirror + "org/name/resolve/" + kCommit + "/model.safetensors", kWeights);
  }

  inline static const std::string kMirror = "https://mirror.example.com/hf/";
  inline static const std::string kInfo = kMirror + "api/models/org/name/revision/main?blobs=true";
  inline static const std::string kCommit = std::string(20, 'a') + std::string(20, '7');
};

TEST_F(HubSourceTest, Examples) {
  EXPECT_THAT(Fetch("hub:org/name"), UnorderedElementsAre(Key("config.json"), Key("model.safetensors")))
      << status_;
  // The branch is asked once; files are the commit's.
  EXPECT_THAT(host_.urls(), ElementsAre(kInfo, HasSubstr("/resolve/" + kCommit + "/config.json"),
                                        HasSubstr("/resolve/" + kCommit + "/model.safetensors")));
}

TEST_F(HubSourceTest, LargeFilesMustHaveTheDigestThatTheHubGives) {
  ServeAt(kMirror + "org/name/resolve/" + kCommit + "/model.safetensors", std::string(1007, 'x'));
  ExpectFailure(absl::StatusCode::kDataLoss, "model.safetensors at hub:org/name@main has SHA-256 ",
                "hub:org/name");
}

TEST_F(HubSourceTest, ARepositoryThatIsNotThereOrUnreadableIsAFailure) {
  ExpectFailure(absl::StatusCode::kNotFound, "api/models/org/other/revision/v1", "hub:org/other@v1");
  for (const char* strange : {"", "[]", "{}", R"({"siblings": 1})", "<html>"}) {
    ServeAt(kInfo, strange);
    ExpectFailure(absl::StatusCode::kFailedPrecondition, "check --hub-mirror", "hub:org/name");
  }
}

TEST_F(HubSourceTest, AnotherHostOfItsFilesMustBeAllowed) {
  const std::string weights = kMirror + "org/name/resolve/" + kCommit + "/model.safetensors";
  host_.Serve(weights, {{.status = 302, .location = "https://cdn.example.com/w?sig=hunter2"}});
  ServeAt("https://cdn.example.com/w?sig=hunter2", kWeights);
  ExpectFailure(absl::StatusCode::kPermissionDenied, "it redirects to https://cdn.example.com,",
                "hub:org/name");
  options_.allowed = *SourceAllowList::Parse("https://cdn.example.com/");
  EXPECT_THAT(Fetch("hub:org/name"), SizeIs(2)) << status_;
}

}  // namespace
}  // namespace kprune
