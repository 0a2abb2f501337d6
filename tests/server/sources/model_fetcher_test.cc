// What is fetched of an https folder, and what ends a fetch.
#include "server/sources/model_fetcher.h"

#include <algorithm>

#include "tests/server/sources/model_fetcher_fixture.h"

namespace kprune {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST_F(ModelFetcherTest, Examples) {
  ServeModel();
  EXPECT_THAT(Fetch(),
              UnorderedElementsAre(Pair("config.json", "{}"), Pair("tokenizer.json", "{\"tokens\": 1}"),
                                   Pair("modules.json", HasSubstr("1_Pooling")),
                                   Pair("1_Pooling/config.json", "{\"pooling\": 1}"),
                                   Pair("model.safetensors", kWeights)))
      << status_;
  EXPECT_EQ(host_.urls()[1], kFolder + "config.json") << "after SHA256SUMS";
  EXPECT_THAT(RequestsFor(".bin"), IsEmpty());
  EXPECT_THAT(RequestsFor("model.safetensors.index.json"), IsEmpty());
  EXPECT_EQ(clock_.waited(), absl::ZeroDuration());
}

TEST_F(ModelFetcherTest, NothingIsFetchedThatTheOperatorDoesNotAllow) {
  ServeModel();
  ExpectFailure(absl::StatusCode::kPermissionDenied, "--model-source-allow",
                "https://models.example.com/other/");
  ExpectFailure(absl::StatusCode::kPermissionDenied, "--model-source-allow", "s3://bucket/other/");
  ExpectFailure(absl::StatusCode::kPermissionDenied, "--hub-mirror", "hub:org/name");
  ExpectFailure(absl::StatusCode::kInvalidArgument, "spec.model_uri", "https://models.example.com/team/../x");
  options_.allowed = SourceAllowList();
  ExpectFailure(absl::StatusCode::kPermissionDenied, "(nor from anywhere else)");
  EXPECT_THAT(host_.urls(), IsEmpty());
}

TEST_F(ModelFetcherTest, ShardsAreThoseOfTheIndex) {
  Serve("config.json", "{}");
  Serve("model.safetensors.index.json",
        R"({"metadata": {"total_size": 20}, "weight_map": {"a": "model-00002-of-00002.safetensors",
            "b": "model-00001-of-00002.safetensors", "c": "model-00001-of-00002.safetensors"}})");
  Serve("model-00001-of-00002.safetensors", "0123456789");
  Serve("model-00002-of-00002.safetensors", "abcdefghij");
  std::vector<double> fractions;
  progress_ = [&](const FetchTally& tally) {
    fractions.push_back(tally.fraction());
    return true;
  };
  EXPECT_THAT(Fetch(), UnorderedElementsAre(Key("config.json"), Key("model.safetensors.index.json"),
                                            Key("model-00001-of-00002.safetensors"),
                                            Key("model-00002-of-00002.safetensors")));
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_THAT(fractions, Contains(0.5));
}

TEST_F(ModelFetcherTest, AnIndexOfOtherNamesIsRefused) {
  Serve("config.json", "{}");
  for (const char* bad :
       {R"({"weight_map": {"a": "pytorch_model.bin"}})", R"({"weight_map": {"a": "../model.safetensors"}})",
        R"({"weight_map": {"a": "config.json"}})", R"({"weight_map": {"a": 1}})", R"({"weight_map": {}})",
        R"({"weight_map": []})", "{}", "no JSON"}) {
    Serve("model.safetensors.index.json", bad);
    ExpectFailure(absl::StatusCode::kInvalidArgument, "weight_map");
  }
  Serve("model.safetensors.index.json", R"({"weight_map": {"a": "model-1.safetensors"}})");
  ExpectFailure(absl::StatusCode::kNotFound, "There is no model-1.safetensors at " + kFolder);
}

TEST_F(ModelFetcherTest, AFolderThatIsNoModelIsToldWhatItLacks) {
  ExpectFailure(absl::StatusCode::kNotFound, "There is no config.json at " + kFolder);
  Serve("config.json", "{}");
  Serve("pytorch_model.bin", "a pickle");
  ExpectFailure(absl::StatusCode::kNotFound, "pickles are never fetched");
  Serve("model.safetensors", "");
  ExpectFailure(absl::StatusCode::kInvalidArgument, "model.safetensors at " + kFolder + " is empty");
}

TEST_F(ModelFetcherTest, OnlyWhatChecksumsListIsFetchedAndMustHaveItsDigest) {
  ServeModel();
  const std::string sums =
      Sha256Of("{}") + "  config.json\n" + Sha256Of(kWeights) + "  ./model.safetensors\n";
  Serve("SHA256SUMS", sums);
  EXPECT_THAT(Fetch(), UnorderedElementsAre(Key("config.json"), Key("model.safetensors"))) << status_;
  EXPECT_THAT(host_.urls(), SizeIs(3));

  Serve("SHA256SUMS", sums + Sha256Of("other") + "  tokenizer.json\n");
  ExpectFailure(absl::StatusCode::kDataLoss, "tokenizer.json at " + kFolder + " has SHA-256 ");
  Serve("SHA256SUMS", sums + Sha256Of("") + "  vocab.txt\n");
  ExpectFailure(absl::StatusCode::kNotFound, kFolder + "vocab.txt");
  Serve("SHA256SUMS", Sha256Of("{}") + "  config.json\n");
  ExpectFailure(absl::StatusCode::kNotFound,
                "There is no model.safetensors at " + kFolder + " in its SHA256SUMS");
  Serve("SHA256SUMS", "gibberish");
  ExpectFailure(absl::StatusCode::kInvalidArgument, "SHA256SUMS line 1");
}

TEST_F(ModelFetcherTest, SizesAreLimitedDeclaredOrNot) {
  ServeModel();
  options_.max_file_bytes = 500;
  ExpectFailure(absl::StatusCode::kResourceExhausted,
                "it has 1007 bytes, and this server still takes 500 of this model (--max-artifact-bytes)");
  host_.Serve(kFolder + "model.safetensors", {{.body = kWeights, .declares_length = false}});
  ExpectFailure(absl::StatusCode::kResourceExhausted, "it has more than 500 bytes");
  options_.max_file_bytes = 5000;
  options_.max_model_bytes = 1010;
  ExpectFailure(absl::StatusCode::kResourceExhausted, "(--max-model-bytes)");
  options_.max_model_bytes = 5000;
  options_.max_files = 4;
  ExpectFailure(absl::StatusCode::kResourceExhausted, "more than 4 files");
  options_.max_files = 5;
  options_.disk_low_bytes = int64_t{1} << 62;
  ExpectFailure(absl::StatusCode::kResourceExhausted, "the server's disk has only ");
  options_.disk_low_bytes = 0;
  EXPECT_THAT(Fetch(), SizeIs(5));
}

TEST_F(ModelFetcherTest, ATransferThatBreaksGoesOnWhereItBroke) {
  ServeModel();
  InMemoryAnswer broken{.body = kWeights, .etag = "\"v1\"", .cut = 400};
  host_.Serve(kFolder + "model.safetensors", {broken, broken, {.body = kWeights, .etag = "\"v1\""}});
  int resumes = 0;
  progress_ = [&](const FetchTally& tally) {
    resumes = tally.resumes;
    return true;
  };
  EXPECT_EQ(Fetch()["model.safetensors"], kWeights) << status_;
  EXPECT_EQ(resumes, 2);
  std::vector<int64_t> offsets;
  for (const HttpRequest& request : host_.requests()) {
    if (request.url.path.ends_with("model.safetensors")) offsets.push_back(request.offset);
  }
  EXPECT_THAT(offsets, ElementsAre(0, 400, 800));
  EXPECT_GT(clock_.waited(), absl::ZeroDuration());
}

TEST_F(ModelFetcherTest, AFileThatChangedOrHasNoStrongTagStartsAgain) {
  ServeModel();
  const std::string changed = std::string(1000, 'x') + "changed";
  host_.Serve(kFolder + "model.safetensors",
              {{.body = kWeights, .etag = "\"v1\"", .cut = 400}, {.body = changed, .etag = "\"v2\""}});
  EXPECT_EQ(Fetch()["model.safetensors"], changed) << status_;
  host_.Serve(kFolder + "model.safetensors",
              {{.body = kWeights, .etag = "W/\"1\"", .cut = 400}, {.body = kWeights}});
  EXPECT_EQ(Fetch()["model.safetensors"], kWeights) << status_;
  EXPECT_EQ(host_.requests().back().offset, 0);
  host_.Serve(kFolder + "model.safetensors",
              {{.body = kWeights, .etag = "\"v1\"", .cut = 400}, {.status = 416}, {.body = kWeights}});
  EXPECT_EQ(Fetch()["model.safetensors"], kWeights) << status_;
}

TEST_F(ModelFetcherTest, WhatMayPassIsTriedAgainButNotForever) {
  ServeModel();
  for (const InMemoryAnswer& failure :
       {InMemoryAnswer{.status = 503}, InMemoryAnswer{.status = 500}, InMemoryAnswer{.status = 429},
        InMemoryAnswer{.failure = absl::UnavailableError("its host name was not found")}}) {
    host_.Serve(kFolder + "config.json", {failure, failure, failure, failure, {.body = "{}"}});
    EXPECT_THAT(Fetch(), SizeIs(5)) << status_;
    host_.Serve(kFolder + "config.json", {failure});
    ExpectFailure(absl::StatusCode::kUnavailable, ", in 5 tries; retry the job later.");
  }
  host_.Serve(kFolder + "config.json", {{.status = 429, .retry_after = absl::Seconds(40)}, {.body = "{}"}});
  const absl::Duration before = clock_.waited();
  EXPECT_THAT(Fetch(), SizeIs(5));
  EXPECT_GE(clock_.waited() - before, absl::Seconds(40));
}

TEST_F(ModelFetcherTest, WhatDoesNotPassIsNotTriedAgain) {
  Serve("model.safetensors", kWeights);
  // Whatever a host has to say beside the status is not read.
  const std::string long_page(200'000, 'x');
  const std::pair<int, absl::StatusCode> cases[] = {{401, absl::StatusCode::kPermissionDenied},
                                                    {403, absl::StatusCode::kPermissionDenied},
                                                    {418, absl::StatusCode::kFailedPrecondition},
                                                    {304, absl::StatusCode::kFailedPrecondition}};
  for (const auto& [status, code] : cases) {
    host_.Serve(kFolder + "config.json", {{.body = long_page, .status = status}});
    ExpectFailure(code, absl::StrCat(status));
  }
  EXPECT_THAT(RequestsFor("config.json"), SizeIs(4));
  Serve("config.json", "{}");
  host_.Serve(kFolder + "vocab.txt", {{.status = 403}});
  ExpectFailure(absl::StatusCode::kPermissionDenied, "a folder must answer 404 for a file that it lacks");
}

TEST_F(ModelFetcherTest, RedirectsLeadOnlyToWhatIsAllowed) {
  ServeModel();
  options_.allowed = *SourceAllowList::Parse("https://models.example.com/team/ https://cdn.example.com/");
  ServeAt("https://cdn.example.com/w?signature=hunter2", kWeights);
  host_.Serve(kFolder + "model.safetensors",
              {{.status = 302, .location = "https://cdn.example.com/w?signature=hunter2"}});
  EXPECT_EQ(Fetch()["model.safetensors"], kWeights) << status_;

  for (const char* target : {"https://evil.example.com/w?secret=hunter2", "http://models.example.com/team/w",
                             "/other/w", "https://169.254.169.254/latest/meta-data/", "file:///etc/passwd"}) {
    host_.Serve(kFolder + "model.safetensors", {{.status = 302, .location = target}});
    ExpectFailure(absl::StatusCode::kPermissionDenied, "it redirects to ");
  }
  host_.Serve(kFolder + "model.safetensors", {{.status = 302, .location = "model.safetensors"}});
  ExpectFailure(absl::StatusCode::kFailedPrecondition, "redirects more than 5 times");
  host_.Serve(kFolder + "model.safetensors", {{.status = 301}});
  ExpectFailure(absl::StatusCode::kFailedPrecondition, "without saying where");
}

TEST_F(ModelFetcherTest, ATokenGoesOnlyToItsFolder) {
  TempDirectory secrets;
  testing::WriteFile(secrets / "tokens", "https://models.example.com/team/ hunter2\n");
  options_.tokens_file = secrets / "tokens";
  options_.allowed = *SourceAllowList::Parse("https://models.example.com/ https://cdn.example.com/");
  ServeModel();
  ServeAt("https://cdn.example.com/w", kWeights);
  host_.Serve(kFolder + "model.safetensors", {{.status = 302, .location = "https://cdn.example.com/w"}});
  EXPECT_THAT(Fetch(), SizeIs(5)) << status_;
  for (const HttpRequest& request : host_.requests())
    EXPECT_EQ(request.bearer_token, request.url.host == "cdn.example.com" ? "" : "hunter2")
        << request.url.Text();
  host_.Serve(kFolder + "config.json", {{.status = 401}});
  ExpectFailure(absl::StatusCode::kPermissionDenied,
                "the credentials that this server has for it were not accepted (401)");
  options_.tokens_file = secrets / "gone";
  ExpectFailure(absl::StatusCode::kNotFound, "Cannot read ");
}

TEST_F(ModelFetcherTest, AFetchEndsWhenItIsToldToOrTakesTooLong) {
  ServeModel();
  host_.Serve(kFolder + "model.safetensors", {{.hangs = true}});
  int asked = 0;
  progress_ = [&](const FetchTally&) { return ++asked < 100; };
  ExpectFailure(absl::StatusCode::kCancelled, "stopped");
  // On this clock waits between tries are all that takes time.
  progress_ = [](const FetchTally&) { return true; };
  host_.Serve(kFolder + "model.safetensors", {{.status = 503, .retry_after = absl::Seconds(40)}});
  options_.time_limit = absl::Seconds(90);
  ExpectFailure(absl::StatusCode::kDeadlineExceeded, "took longer than 1m30s (--model-fetch-seconds)");
}

}  // namespace
}  // namespace kprune
