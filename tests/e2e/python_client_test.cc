// The wire is what the proto files say: a stock Python client, generated from them, uploads, submits, watches
// and downloads.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kprune/supported_models.h"
#include "tests/e2e/job_events.h"
#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

using nlohmann::json;

TEST(PythonClientTest, Examples) {
  const std::filesystem::path source = KPRUNE_SOURCE_DIR, python = KPRUNE_PYTHON;
  if (!std::filesystem::exists(python))
    GTEST_SKIP() << "there is no " << python << "; scripts/setup.sh makes it";

  TemporaryFolder folder;
  const TinyModel model = {.sentence_encoder = true};
  WriteTinyModel(folder / "model", model);
  WriteTinySentences(folder / "samples.jsonl", 60, model);
  Service service(KPRUNE_BIN_DIR, folder.path());
  service.Start();

  Process client({python, source / "tests/e2e/python_client.py", service.address(), source / "proto",
                  folder / "generated", folder / "model", folder / "samples.jsonl", folder / "out"},
                 folder / "python");
  ASSERT_EQ(client.Wait(), 0) << client.Errors() << service.Log();
  const json told = json::parse(client.Output());
  EXPECT_EQ(told["state"], "SUCCEEDED") << told["error"];
  EXPECT_EQ(told["last_state"], "SUCCEEDED");
  EXPECT_EQ(told["name"], told["name_again"]) << "the same request_id and body is the same job";
  EXPECT_EQ(told["families"], json(kFamilies));
  EXPECT_EQ(told["sequences"], json(FromOneTo(told["sequences"].size())));
  EXPECT_EQ(told["sublayers"], (json{0, 1, 2, 3}));
  for (const char* file : {"config.json", "model.safetensors", "vocab.txt", "report.json", "modules.json",
                           "1_Pooling/config.json"}) {
    EXPECT_TRUE(std::filesystem::exists(folder / "out" / file)) << file << " is not among " << told["result"];
  }

  // What it downloaded is a model that runs.
  const Finished compared = service.Client(
      {"compare", folder / "model", folder / "out", "--data", folder / "samples.jsonl", "--format", "json"});
  ASSERT_EQ(compared.status, 0) << compared.errors;
  const json models = json::parse(compared.output)["models"];
  ASSERT_EQ(models.size(), 2);
  EXPECT_LT(models[1]["flops"].get<double>(), models[0]["flops"].get<double>());
}

}  // namespace
}  // namespace kprune::testing
