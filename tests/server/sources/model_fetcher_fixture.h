// What the tests of fetching share: hosts in memory, a clock without waits, and a small model.
#ifndef KPRUNE_TESTS_SERVER_SOURCES_MODEL_FETCHER_FIXTURE_H_
#define KPRUNE_TESTS_SERVER_SOURCES_MODEL_FETCHER_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/artifacts/sha256.h"
#include "server/sources/model_fetcher.h"
#include "tests/fakes/hasty_clock.h"
#include "tests/fakes/in_memory_http_host.h"
#include "tests/support/process.h"
#include "tests/support/temp_directory.h"

namespace kprune {

inline std::string Sha256Of(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

class ModelFetcherTest : public ::testing::Test {
 protected:
  ModelFetcherTest() {
    options_.allowed = *SourceAllowList::Parse("https://models.example.com/team/ s3://bucket/team/");
    options_.s3_endpoint = *ParseSourceFolder("https://s3.example.com/");
  }

  void Serve(const std::string& name, const std::string& body) { ServeAt(kFolder + name, {body}); }
  void ServeAt(const std::string& url, std::string body) {
    host_.Serve(url, {{.body = std::move(body), .etag = "\"1\""}});
  }

  // The folder of a model as it should be.
  void ServeModel() {
    Serve("config.json", "{}");
    Serve("tokenizer.json", "{\"tokens\": 1}");
    Serve(
        "modules.json",
        R"([{"path": ""}, {"path": "1_Pooling"}, {"path": "1_Pooling"}, {"path": "2_Normalize"}, {"path": "../up"}])");
    Serve("1_Pooling/config.json", "{\"pooling\": 1}");
    Serve("model.safetensors", kWeights);
    Serve("pytorch_model.bin", "a pickle");
  }

  // The fetched files with their bytes; what went wrong is in status_.
  std::map<std::string, std::string> Fetch(const std::string& uri = kFolder) {
    ModelFetcher fetcher(
        options_, [this] { return host_.MakeClient(); }, clock_);
    const auto model = fetcher.Fetch(uri, folder_ / absl::StrCat("fetch-", ++fetches_),
                                     [this](const FetchTally& tally) { return progress_(tally); });
    status_ = model.status();
    std::map<std::string, std::string> files;
    if (!model.ok()) return files;
    for (const FetchedFile& file : model->files) files[file.name] = testing::ReadFile(file.path);
    return files;
  }

  // Fetching fails so, with a sentence that has these words and nothing of a secret.
  void ExpectFailure(absl::StatusCode code, const std::string& words, const std::string& uri = kFolder) {
    EXPECT_TRUE(Fetch(uri).empty());
    EXPECT_EQ(status_.code(), code) << status_;
    EXPECT_THAT(std::string(status_.message()), ::testing::HasSubstr(words));
    EXPECT_THAT(std::string(status_.message()), ::testing::Not(::testing::HasSubstr("hunter2")));
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path())) << "it left files behind";
  }

  std::vector<std::string> RequestsFor(const std::string& ending) {
    std::vector<std::string> found;
    for (const std::string& url : host_.urls()) {
      if (url.ends_with(ending)) found.push_back(url);
    }
    return found;
  }

  inline static const std::string kFolder = "https://models.example.com/team/sst2/";
  inline static const std::string kWeights = std::string(1000, 'w') + "the end";

  TempDirectory folder_;
  HastyClock clock_;
  InMemoryHttpHost host_;
  ModelFetcherOptions options_;
  FetchProgress progress_ = [](const FetchTally&) { return true; };
  absl::Status status_;

 private:
  int fetches_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_SERVER_SOURCES_MODEL_FETCHER_FIXTURE_H_
