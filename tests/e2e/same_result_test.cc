// `kprune run` on this machine and a job on a server are the same program: they give the same bytes.
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

using nlohmann::json;

class SameResultTest : public ::testing::Test {
 protected:
  void SetUp() override { service_.Start(); }

  // Prunes in both ways; returns the report of the server's.
  json PruneBothWays(const std::string& model, const std::string& data) {
    for (const std::string command : {"run", "submit"}) {
      const Finished done = service_.Client({command, model, "--data", data, "--keep-flops", "0.4", "--seed",
                                             "7", "--output", folder_ / command});
      EXPECT_EQ(done.status, 0) << command << ": " << done.errors << service_.Log();
    }
    const std::string local = ReadFile(folder_ / "run" / "model.safetensors");
    EXPECT_FALSE(local.empty());
    EXPECT_LT(local.size(), std::filesystem::file_size(std::filesystem::path(model) / "model.safetensors"));
    EXPECT_TRUE(local == ReadFile(folder_ / "submit" / "model.safetensors")) << "model.safetensors differs";
    EXPECT_EQ(json::parse(ReadFile(folder_ / "run" / "config.json")),
              json::parse(ReadFile(folder_ / "submit" / "config.json")));
    return json::parse(ReadFile(folder_ / "submit" / "report.json"));
  }

  TemporaryFolder folder_;
  Service service_{KPRUNE_BIN_DIR, folder_.path()};
};

TEST_F(SameResultTest, Examples) {
  const TinyModel model = {.task = "text-classification"};
  WriteTinyModel(folder_ / "model", model);
  WriteTinySentences(folder_ / "samples.jsonl", 100, model);
  const json report = PruneBothWays(folder_ / "model", folder_ / "samples.jsonl");
  EXPECT_EQ(report["sublayers"].size(), 4);
  EXPECT_EQ(report["seed"], 7);
}

TEST_F(SameResultTest, OfTheDataThatIsThere) {
  const TinyModel model = {.task = "text-classification"};
  WriteTinyModel(folder_ / "model", model);
  std::string table = "Sentence,Label\n";
  for (int i = 0; i < 60; ++i)
    table +=
        "\"the river, the " + std::string(i % 2 == 0 ? "sea" : "road") + "\"," + std::to_string(i % 2) + "\n";
  WriteFile(folder_ / "samples.csv", table);
  const std::filesystem::path packed = folder_ / "samples.jsonl.gz";
  gzFile file = gzopen(packed.c_str(), "wb");
  for (int i = 0; i < 60; ++i)
    gzprintf(file, "{\"text\": \"the river, the %s\", \"label\": %d}\n", i % 2 == 0 ? "sea" : "road", i % 2);
  ASSERT_EQ(gzclose(file), Z_OK);
  const json of_table = PruneBothWays(folder_ / "model", folder_ / "samples.csv");
  EXPECT_EQ(of_table["metric"]["n"], 6);
  const std::string weights = ReadFile(folder_ / "submit" / "model.safetensors");
  for (const char* command : {"run", "submit"}) std::filesystem::remove_all(folder_ / command);
  PruneBothWays(folder_ / "model", packed);
  EXPECT_TRUE(weights == ReadFile(folder_ / "submit" / "model.safetensors"))
      << "the format changes the model";
}

TEST_F(SameResultTest, OfRowsOfParquet) {
  const TinyModel model = {.task = "text-classification"};
  WriteTinyModel(folder_ / "model", model);
  const std::string data = std::string(KPRUNE_SOURCE_DIR) + "/tests/input/goldens/parquet/sentences.parquet";
  const Finished checked = service_.Client({"run", folder_ / "model", "--data", data, "--dry-run"});
  if (checked.errors.find("this build does not read") != std::string::npos) GTEST_SKIP() << checked.errors;
  for (const std::string command : {"run", "submit"}) {
    const Finished done =
        service_.Client({command, folder_ / "model", "--data", data, "--samples", "50", "--columns",
                         "text=sentence,label=", "--output", folder_ / command});
    EXPECT_EQ(done.status, 0) << command << ": " << done.errors << service_.Log();
  }
  EXPECT_TRUE(ReadFile(folder_ / "run" / "model.safetensors") ==
              ReadFile(folder_ / "submit" / "model.safetensors"));
  const json report = json::parse(ReadFile(folder_ / "submit" / "report.json"));
  EXPECT_EQ(report["samples"], 50);
  EXPECT_TRUE(report["metric"].is_null()) << report["metric"];
}

TEST_F(SameResultTest, OfSeveralBudgets) {
  const TinyModel model = {.task = "text-classification"};
  WriteTinyModel(folder_ / "model", model);
  WriteTinySentences(folder_ / "samples.jsonl", 100, model);
  for (const std::string command : {"run", "submit"}) {
    const Finished done =
        service_.Client({command, folder_ / "model", "--data", folder_ / "samples.jsonl", "--keep-flops",
                         "0.4,0.7", "--output", folder_ / command, "--progress", "plain"});
    ASSERT_EQ(done.status, 0) << command << ": " << done.errors << service_.Log();
    EXPECT_NE(done.errors.find("keep 0.7 [1/4] layer 0 attention"), std::string::npos) << done.errors;
    EXPECT_NE(done.errors.find("keep 0.4 [4/4] layer 1 feed-forward"), std::string::npos) << done.errors;
  }
  for (const std::string name : {"keep-0.70", "keep-0.40"}) {
    const std::string local = ReadFile(folder_ / "run" / name / "model.safetensors");
    EXPECT_FALSE(local.empty());
    EXPECT_TRUE(local == ReadFile(folder_ / "submit" / name / "model.safetensors")) << name;
    // Every one of them is a model folder like any other.
    const Finished evaluated =
        service_.Client({"eval", folder_ / "submit" / name, "--data", folder_ / "samples.jsonl"});
    EXPECT_EQ(evaluated.status, 0) << evaluated.errors;
  }
  for (const char* command : {"verify", "report"}) {
    const Finished done = service_.Client({command, folder_ / "submit"});
    ASSERT_EQ(done.status, 0) << done.errors;
    EXPECT_NE(done.output.find("keep-0.70"), std::string::npos) << done.output;
    EXPECT_NE(done.output.find("keep-0.40"), std::string::npos) << done.output;
  }
  // Fetched a second time into another folder, by its name.
  const Finished fetched = service_.Client({"fetch", "@latest", "--output", folder_ / "again"});
  ASSERT_EQ(fetched.status, 0) << fetched.errors;
  EXPECT_EQ(ReadFile(folder_ / "again" / "report.json"), ReadFile(folder_ / "submit" / "report.json"));
  EXPECT_EQ(ReadFile(folder_ / "again" / "keep-0.40" / "report.json"),
            ReadFile(folder_ / "submit" / "keep-0.40" / "report.json"));
}

TEST_F(SameResultTest, OfAModelChosenByItsLoss) {
  const TinyModel model = {.task = "text-classification"};
  WriteTinyModel(folder_ / "model", model);
  WriteTinySentences(folder_ / "samples.jsonl", 100, model);
  const std::vector<std::string> job = {
      folder_ / "model", "--data",       folder_ / "samples.jsonl", "--holdout", "0.2", "--max-drop", "50",
      "--output",        folder_ / "out"};
  std::vector<std::string> submit = {"submit"};
  submit.insert(submit.end(), job.begin(), job.end());
  const Finished done = service_.Client(submit);
  ASSERT_EQ(done.status, 0) << done.errors << service_.Log();
  const json report = json::parse(ReadFile(folder_ / "out" / "report.json"));
  EXPECT_EQ(report["max_drop"]["points"], 50);
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(folder_ / "out") / "model.safetensors"));
  const Finished shown = service_.Client({"report", folder_ / "out"});
  EXPECT_NE(shown.output.find("drop of at most 50 points: accuracy dropped by"), std::string::npos)
      << shown.output;
  // Too few samples to judge with: the server refuses at once, word for word.
  submit[7] = "2";
  submit[9] = folder_ / "none";
  const Finished refused = service_.Client(submit);
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.errors.find("max_drop 2 cannot be judged on 20 samples"), std::string::npos)
      << refused.errors;
}

TEST_F(SameResultTest, OfAModelThatMeetsALatency) {
  const TinyModel model = {.task = "text-classification"};
  WriteTinyModel(folder_ / "model", model);
  WriteTinySentences(folder_ / "samples.jsonl", 100, model);
  const std::string table_file = folder_ / "table.json";
  const Finished measured =
      service_.Client({"calibrate", folder_ / "model", "--output", table_file, "--lengths", "4,16",
                       "--runtime", "torchscript", "--seconds", "0.5", "--threads", "1"});
  ASSERT_EQ(measured.status, 0) << measured.errors;
  EXPECT_NE(measured.output.find("one batch of 1 in TorchScript"), std::string::npos) << measured.output;
  const json row = json::parse(ReadFile(table_file))["rows"][1];
  const double most = row["other_ms"].get<double>() + 2 * (row["attention_ms"].back().get<double>() +
                                                           row["feed_forward_ms"].back().get<double>());
  for (const std::string command : {"run", "submit"}) {
    const Finished done =
        service_.Client({command, folder_ / "model", "--data", folder_ / "samples.jsonl", "--target-latency",
                         std::to_string(0.6 * most) + "ms", "--latency-table", table_file,
                         "--sequence-length", "16", "--output", folder_ / command});
    ASSERT_EQ(done.status, 0) << command << ": " << done.errors << service_.Log();
  }
  EXPECT_TRUE(ReadFile(folder_ / "run" / "model.safetensors") ==
              ReadFile(folder_ / "submit" / "model.safetensors"));
  const json report = json::parse(ReadFile(folder_ / "submit" / "report.json"));
  EXPECT_LE(report["latency_budget"]["predicted_ms"], 0.6 * most + 1e-6);
  const Finished shown = service_.Client({"report", folder_ / "submit"});
  EXPECT_NE(shown.output.find("latency budget "), std::string::npos) << shown.output;
  // What cannot be is refused at once, word for word.
  const Finished refused = service_.Client({"submit", folder_ / "model", "--data", folder_ / "samples.jsonl",
                                            "--target-latency", "1s", "--latency-table", table_file,
                                            "--sequence-length", "16", "--output", folder_ / "none"});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.errors.find("target_latency_ms 1000 is what the whole model does not take"),
            std::string::npos)
      << refused.errors;
}

TEST_F(SameResultTest, OfDistilBert) {
  const TinyModel model = {.family = "distilbert"};
  WriteTinyModel(folder_ / "model", model);
  WriteTinySentences(folder_ / "samples.jsonl", 100, model);
  PruneBothWays(folder_ / "model", folder_ / "samples.jsonl");
}

TEST_F(SameResultTest, OfARealSentenceEncoder) {
  const std::filesystem::path model = KPRUNE_MINILM_DIR;
  if (!std::filesystem::exists(model / "model.safetensors")) {
    GTEST_SKIP() << "there is no " << model << "; scripts/setup.sh fetches it";
  }
  std::ifstream all(std::filesystem::path(KPRUNE_SOURCE_DIR) / "examples" / "sentences.jsonl");
  std::string some;
  int lines = 0;
  for (std::string line; lines < 64 && std::getline(all, line); ++lines) some += line + "\n";
  ASSERT_EQ(lines, 64);
  WriteFile(folder_ / "samples.jsonl", some);

  const json report = PruneBothWays(model, folder_ / "samples.jsonl");
  EXPECT_LE(report["flops"]["ratio"].get<double>(), 0.4);
  EXPECT_GT(report["flops"]["ratio"].get<double>(), 0.395);
  EXPECT_GT(report["agreement"]["n"].get<int>(), 0);
  EXPECT_GT(report["agreement"]["cosine"].get<double>(), 0.2) << "of unrelated sentences it is near 0";
  EXPECT_LE(report["agreement"]["cosine"].get<double>(), 1.0);
}

}  // namespace
}  // namespace kprune::testing
