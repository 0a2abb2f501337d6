// A model that the server fetches over HTTPS is the model that was uploaded: the same report, the same bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/model_host.h"
#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

TEST(ModelSourceE2eTest, Examples) {
  const TemporaryFolder folder;
  const ModelHost host(folder / "host");
  const TinyModel model = {.task = "feature-extraction", .sentence_encoder = true};
  WriteTinyModel(host.root() / "files/tiny", model);
  WriteTinySentences(folder / "samples.jsonl", 100, model);
  Service service(KPRUNE_BIN_DIR, folder.path(),
                  {"--model-source-allow", host.Url("files/"), "--model-source-ca-file", host.ca_file()});
  service.Start();
  for (const std::string& from : {host.Url("files/tiny"), (host.root() / "files/tiny").string()}) {
    const bool fetched = from.starts_with("https");
    const Finished done =
        service.Client({"submit", from, "--data", folder / "samples.jsonl", "--keep-flops", "0.4",
                        "--progress", "plain", "--output", folder / (fetched ? "fetched" : "uploaded")});
    ASSERT_EQ(done.status, 0) << done.errors << service.Log();
  }
  const auto report = [&](const char* name) { return json::parse(ReadFile(folder / name / "report.json")); };
  EXPECT_EQ(report("fetched")["inputs"], report("uploaded")["inputs"]);
  EXPECT_THAT(report("fetched")["inputs"].dump(), HasSubstr("model.safetensors"));
  for (const char* name :
       {"model.safetensors", "config.json", "1_Pooling/config.json", "modules.json", "vocab.txt"}) {
    EXPECT_FALSE(ReadFile(folder / "fetched" / name).empty()) << name;
    EXPECT_TRUE(ReadFile(folder / "fetched" / name) == ReadFile(folder / "uploaded" / name)) << name;
  }
}

}  // namespace
}  // namespace kprune::testing
