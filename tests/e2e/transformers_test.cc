// What the server made and the client fetched loads in Hugging Face transformers.
#include "tests/support/transformers.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

class FetchedResultTest : public ::testing::Test {
 protected:
  // Accuracy on the samples by `kprune eval` and by transformers with its own tokenizer.
  void ExpectSameAccuracy(const fs::path& folder, Transformers& transformers) {
    const Finished evaluated =
        service_.Client({"eval", folder, "--data", folder_ / "samples.jsonl", "--format", "json"});
    ASSERT_EQ(evaluated.status, 0) << evaluated.errors;
    const json metric = json::parse(evaluated.output)["metric"];
    const json told = transformers.Run({"accuracy", folder, "--data", folder_ / "samples.jsonl"});
    EXPECT_EQ(told["n"], metric["n"]);
    EXPECT_NEAR(told["accuracy"].get<double>(), metric["value"].get<double>(), 1e-9);
  }

  TemporaryFolder folder_;
  Service service_{KPRUNE_BIN_DIR, folder_.path()};
};

TEST_F(FetchedResultTest, Examples) {
  Transformers versions[] = {{4, folder_.path()}, {5, folder_.path()}};
  const TinyModel model = {.task = "text-classification", .labels = 3};
  WriteTinyModel(folder_ / "model", model);
  WriteTinySentences(folder_ / "samples.jsonl", 100, model);
  service_.Start();
  const fs::path out = folder_ / "out";
  const Finished done =
      service_.Client({"submit", folder_ / "model", "--data", folder_ / "samples.jsonl", "--keep-flops",
                       "0.4,0.7", "--export", "safetensors,dense", "--output", out});
  ASSERT_EQ(done.status, 0) << done.errors << service_.Log();
  for (const std::string folder : {"keep-0.40", "keep-0.70"}) {
    for (const char* name : {"modeling_kprune.py", "dense/config.json", "dense/model.safetensors"})
      EXPECT_TRUE(fs::exists(out / folder / name)) << folder << "/" << name;
  }
  const Finished verified = service_.Client({"verify", out});
  EXPECT_EQ(verified.status, 0) << verified.errors;

  // Pruned again by the server, which is not sent the code: it says so, and the result has it anew.
  const Finished again = service_.Client({"submit", out / "keep-0.70", "--data", folder_ / "samples.jsonl",
                                          "--keep-flops", "0.5", "--output", folder_ / "again", "--verbose"});
  ASSERT_EQ(again.status, 0) << again.errors << service_.Log();
  EXPECT_NE(again.errors.find("not sent: modeling_kprune.py"), std::string::npos) << again.errors;
  EXPECT_EQ(ReadFile(folder_ / "again" / "modeling_kprune.py"),
            ReadFile(out / "keep-0.70" / "modeling_kprune.py"));

  if (!versions[0].Missing().empty()) GTEST_SKIP() << versions[0].Missing();
  for (Transformers& transformers : versions) {
    ExpectSameAccuracy(out / "keep-0.40", transformers);
    ExpectSameAccuracy(fs::path(folder_ / "again"), transformers);
  }
}

}  // namespace
}  // namespace kprune::testing
