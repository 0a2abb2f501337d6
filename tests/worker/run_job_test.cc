// Every kind of job over tiny models, as the worker runs it.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/cost/flops.h"
#include "engine/formats/sha256.h"
#include "engine/model/model_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kprune/rounding.h"
#include "tests/worker/job_directory.h"
#include "tests/worker/proto_fields.h"
#include "worker/devices.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::ReadFile;
using ::kprune::testing::TinyModel;
using nlohmann::json;

const TinyModel kClassifier = {.task = "text-classification", .labels = 3};

TEST(RunJobTest, Examples) {
  const JobDirectory job(kClassifier);
  RecordingObserver observer;
  const absl::Status status = job.Run("prune", {{"options", {{"keep_flops", 0.5}}}}, observer);
  ASSERT_TRUE(status.ok()) << status;

  // A model folder with its report; what it kept fits the budget, by its own configuration.
  const json report = job.Result(kReportFile);
  absl::StatusOr<ModelFolder> pruned = OpenModelFolder((job.path() / "result").string(), {});
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  const double kept = EncoderFlops(pruned->config, report["sequence_length"]);
  EXPECT_DOUBLE_EQ(report["flops"]["kept"], kept);
  EXPECT_LE(kept, report["flops"]["budget"].get<double>());
  EXPECT_DOUBLE_EQ(report["flops"]["budget"], 0.5 * report["flops"]["original"].get<double>());
  EXPECT_GT(kept, 0.4 * report["flops"]["original"].get<double>());
  EXPECT_LT(report["file_bytes"]["kept"], report["file_bytes"]["original"]);
  EXPECT_EQ(report["file_bytes"]["kept"], fs::file_size(job.path() / "result/model.safetensors"));

  // Held-out lines judged it: a tenth of 48, with labels.
  EXPECT_EQ(report["samples"], 43);
  EXPECT_EQ(report["agreement"]["n"], 5);
  EXPECT_EQ(report["metric"]["n"], 5);
  EXPECT_EQ(report["inputs"]["data/samples.jsonl"], *Sha256OfFile(job / "data/samples.jsonl"));
  EXPECT_EQ(report["inputs"]["model/model.safetensors"], *Sha256OfFile(job / "model/model.safetensors"));

  // It was told of every sublayer, bottom up, and of progress that never falls.
  ASSERT_EQ(observer.sublayers.size(), 4u);
  for (int t = 0; t < 4; ++t) EXPECT_EQ(observer.sublayers[t].index, t);
  EXPECT_TRUE(std::is_sorted(observer.fractions.begin(), observer.fractions.end()));
  EXPECT_EQ(observer.fractions.back(), 1);
  EXPECT_EQ(observer.stages.back(), Stage::kExport);
}

TEST(RunJobTest, WhatTheRunChoseIsInTheReport) {
  const JobDirectory job(kClassifier);
  RecordingObserver observer;
  const absl::Status status = job.Run(
      "prune", {{"options", {{"method", "kprune"}, {"auto_lambda_rep", true}, {"auto_mu", true}}}}, observer);
  ASSERT_TRUE(status.ok()) << status;
  const json report = job.Result(kReportFile), chosen = report["chosen"];
  EXPECT_EQ(report["samples"], 43) << "all of them pruned in the end";
  EXPECT_EQ(chosen["samples"], 11) << "a quarter of them";
  EXPECT_EQ(chosen["judged_by"], "kl");
  EXPECT_EQ(report["options"]["lambda_rep"], chosen["lambda_rep"]);
  EXPECT_EQ(report["options"]["mu"], chosen["mu"]);
  double smallest = chosen["tried"][0]["loss"];
  for (const json& tried : chosen["tried"]) smallest = std::min<double>(smallest, tried["loss"]);
  const auto own = std::find_if(chosen["tried"].begin(), chosen["tried"].end(), [&](const json& tried) {
    return tried["lambda_rep"] == chosen["lambda_rep"] && tried["mu"] == chosen["mu"];
  });
  ASSERT_NE(own, chosen["tried"].end());
  EXPECT_LE((*own)["loss"], smallest / (0.8 * 0.8))
      << "the usual setting stays unless another is better by a fifth";
  EXPECT_EQ(observer.sublayers.size(), 4u);
  EXPECT_TRUE(std::is_sorted(observer.fractions.begin(), observer.fractions.end()));
}

TEST(RunJobTest, WidthsAreRoundedAndTheReportSaysToWhat) {
  for (const char* method : {"refit", "kprune"}) {
    const JobDirectory job(kClassifier);
    const absl::Status status = job.Run(
        "prune", {{"options", {{"method", method}, {"round", "heads:2,neurons:6"}, {"keep_flops", 0.6}}}});
    ASSERT_TRUE(status.ok()) << status;
    const json report = job.Result(kReportFile);
    EXPECT_EQ(report["plan"]["rounding"], "heads:2,neurons:6");
    EXPECT_LE(report["flops"]["kept"], report["flops"]["budget"]);
    for (const json& sublayer : report["sublayers"]) {
      const int step = sublayer["kind"] == "attention" ? 2 : 6, kept = sublayer["kept"];
      EXPECT_TRUE(kept % step == 0 || kept == sublayer["units"]) << method << ": " << sublayer;
    }
  }
}

TEST(RunJobTest, WhatWasMeasuredForRoundingIsInTheReport) {
  const JobDirectory job(kClassifier);
  const absl::Status status = job.Run("prune", {{"options", {{"round", "auto"}}}});
  ASSERT_TRUE(status.ok()) << status;
  const json report = job.Result(kReportFile);
  EXPECT_TRUE(ParseRounding(report["plan"]["rounding"].get<std::string>())) << report["plan"];
  EXPECT_EQ(report["options"]["round"], "auto");
}

struct TaskCase {
  const char* name;
  TinyModel model;
};

void PrintTo(const TaskCase& value, std::ostream* out) { *out << value.name; }

class PruneTaskTest : public ::testing::TestWithParam<TaskCase> {
 protected:
  static void ExpectModelOfTheSameTask(json options);
};

TEST_P(PruneTaskTest, GivesAModelOfTheSameTaskByEveryMethod) {
  for (const json& options : {json{{"method", "refit"}, {"distill", 3}}, json{{"method", "kprune"}},
                              json{{"method", "kprune"}, {"predictive", "kl-gradient"}}}) {
    SCOPED_TRACE(options.dump());
    ExpectModelOfTheSameTask(options);
  }
}

TEST_P(PruneTaskTest, ItsResultIsJudgedAndVerifiedAgain) {
  const JobDirectory job(GetParam().model);
  ASSERT_TRUE(
      job.Run("prune",
              {{"options", {{"keep_flops", 0.6}, {"export", {"onnx", "torchscript", "dense", "triton"}}}}})
          .ok());
  fs::rename(job / "result", job / "pruned");
  absl::Status status = job.Run("verify", {{"model", "pruned"}});
  ASSERT_TRUE(status.ok()) << status;
  fs::rename(job / "result", job / "verified");
  status = job.Run("compare", {{"others", {"pruned", "model"}}});
  ASSERT_TRUE(status.ok()) << status;
  const json models = job.Result(kComparisonFile)["models"];
  const char* const agreement = models[1]["agreement"].contains("top1")     ? "top1"
                                : models[1]["agreement"].contains("cosine") ? "cosine"
                                                                            : "spearman";
  EXPECT_NEAR(models[2]["agreement"][agreement], 1, 1e-6);
  EXPECT_EQ(models[1]["metric"].is_null(), models[0]["metric"].is_null());
  EXPECT_EQ(models[0]["n"], 48);
}

void PruneTaskTest::ExpectModelOfTheSameTask(json options) {
  options.update({{"keep_flops", 0.4}, {"holdout", 0.25}});
  const JobDirectory job(GetParam().model);
  const absl::Status status = job.Run("prune", {{"options", options}});
  ASSERT_TRUE(status.ok()) << status;
  absl::StatusOr<ModelFolder> original = OpenModelFolder((job / "model").string(), {});
  absl::StatusOr<ModelFolder> pruned = OpenModelFolder((job.path() / "result").string(), {});
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  EXPECT_EQ(pruned->config.task, original->config.task);
  EXPECT_EQ(pruned->config.normalize, original->config.normalize);
  const json report = job.Result(kReportFile);
  EXPECT_LE(report["flops"]["kept"], report["flops"]["budget"]);
  EXPECT_EQ(report["agreement"]["n"], 12);
  EXPECT_EQ(report["metric"].is_null(), original->config.task == Task::kEmbedding);
  for (const json& sublayer : report["sublayers"]) EXPECT_GE(sublayer["units"], sublayer["kept"]);
}

INSTANTIATE_TEST_SUITE_P(
    Tasks, PruneTaskTest,
    ::testing::Values(
        TaskCase{"Bert", {.task = "text-classification", .labels = 2}},
        TaskCase{"DistilBert", {.family = "distilbert", .task = "text-classification", .labels = 3}},
        TaskCase{"MultiLabel",
                 {.task = "text-classification", .labels = 4, .problem_type = "multi_label_classification"}},
        TaskCase{"Regression",
                 {.family = "distilbert",
                  .task = "text-classification",
                  .labels = 1,
                  .problem_type = "regression"}},
        TaskCase{"Tokens", {.task = "token-classification", .labels = 5}},
        TaskCase{"DistilBertTokens", {.family = "distilbert", .task = "token-classification", .labels = 3}},
        TaskCase{"Questions", {.task = "question-answering"}},
        TaskCase{"MaskedTokens", {.family = "distilbert", .task = "fill-mask"}},
        TaskCase{"Choices", {.task = "multiple-choice"}},
        TaskCase{"SentenceEncoder", {.sentence_encoder = true}},
        TaskCase{"BareDistilBert", {.family = "distilbert"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(RunJobTest, TheSameJobGivesTheSameBytes) {
  const JobDirectory first(kClassifier), second(kClassifier);
  for (const JobDirectory* job : {&first, &second}) ASSERT_TRUE(job->Run("prune").ok());
  for (const char* name : {"result/model.safetensors", "result/config.json"}) {
    ASSERT_FALSE(ReadFile(first / name).empty());
    EXPECT_EQ(ReadFile(first / name), ReadFile(second / name)) << name;
  }
}

// As a hub's cache lays models out: the files are links to blobs in another folder.
TEST(RunJobTest, TheFilesOfAModelMayBeLinks) {
  const TinyModel encoder = {.sentence_encoder = true};
  const JobDirectory plain(encoder), linked(encoder);
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(linked / "model"))
    if (entry.is_regular_file()) files.push_back(entry.path());
  fs::create_directories(linked / "blobs");
  for (size_t i = 0; i < files.size(); ++i) {
    const fs::path blob = linked / "blobs" / std::to_string(i);
    fs::rename(files[i], blob);
    fs::create_symlink(fs::absolute(blob), files[i]);
  }
  for (const JobDirectory* job : {&plain, &linked}) {
    const absl::Status status = job->Run("prune");
    ASSERT_TRUE(status.ok()) << status;
  }
  for (const char* name : {"result/model.safetensors", "result/1_Pooling/config.json"}) {
    ASSERT_FALSE(ReadFile(plain / name).empty()) << name;
    EXPECT_EQ(ReadFile(plain / name), ReadFile(linked / name)) << name;
  }
  EXPECT_EQ(plain.Result(kReportFile)["inputs"], linked.Result(kReportFile)["inputs"]);
}

TEST(RunJobTest, AFolderOfAModelMayBeALinkAndNoneMakesALoop) {
  const TinyModel encoder = {.sentence_encoder = true};
  const JobDirectory plain(encoder), linked(encoder);
  fs::rename(linked / "model/1_Pooling", linked / "pooling");
  fs::create_directory_symlink(fs::absolute(linked / "pooling"), linked / "model/1_Pooling");
  fs::create_directory_symlink(".", linked / "model/again");
  for (const JobDirectory* job : {&plain, &linked}) {
    const absl::Status status = job->Run("prune");
    ASSERT_TRUE(status.ok()) << status;
  }
  const fs::path companion = linked / "result/1_Pooling";
  EXPECT_FALSE(fs::is_symlink(companion)) << "a result holds no links";
  EXPECT_EQ(ReadFile(companion / "config.json"), ReadFile(plain / "model/1_Pooling/config.json"));
  EXPECT_FALSE(fs::exists(linked / "result/again"));
  EXPECT_EQ(plain.Result(kReportFile)["inputs"], linked.Result(kReportFile)["inputs"]);
}

TEST(RunJobTest, AResultCanBePrunedAgain) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("prune", {{"options", {{"keep_flops", 0.6}}}}).ok());
  const double kept_once = job.Result(kReportFile)["flops"]["kept"];
  fs::rename(job / "result", job / "once");
  const absl::Status status = job.Run("prune", {{"model", "once"}, {"options", {{"keep_flops", 0.5}}}});
  ASSERT_TRUE(status.ok()) << status;
  const json report = job.Result(kReportFile);
  EXPECT_DOUBLE_EQ(report["flops"]["original"], kept_once);
  EXPECT_LE(report["flops"]["kept"], 0.5 * kept_once);
}

TEST(RunJobTest, EvalFilesJudgeTheMetric) {
  const JobDirectory job(kClassifier);
  testing::WriteTinySentences(job / "dev.jsonl", 30, kClassifier);
  ASSERT_TRUE(job.Run("prune", {{"eval", {"dev.jsonl"}}, {"options", {{"holdout", 0}}}}).ok());
  const json report = job.Result(kReportFile);
  EXPECT_EQ(report["metric"]["n"], 30);
  EXPECT_EQ(report["agreement"]["n"], 30);
  EXPECT_EQ(report["samples"], 48);
  EXPECT_TRUE(report["inputs"].contains("eval/dev.jsonl"));
}

TEST(RunJobTest, AskingForMoreSamplesThanThereAreWarns) {
  const JobDirectory job(kClassifier, 12);
  RecordingObserver observer;
  ASSERT_TRUE(job.Run("prune", {{"options", {{"samples", 1000}}}}, observer).ok());
  ASSERT_EQ(observer.warnings.size(), 1u);
  EXPECT_THAT(observer.warnings[0], ::testing::HasSubstr("samples is 1000, but the data has 12"));
}

TEST(RunJobTest, PreflightPredictsWithTheFieldsOfTheContract) {
  const JobDirectory job(kClassifier);
  const absl::Status status = job.Run("preflight", {{"options", {{"keep_flops", 0.25}}}});
  ASSERT_TRUE(status.ok()) << status;
  const json preflight = job.Result(kPreflightFile);
  std::set<std::string> fields;
  for (const auto& [key, value] : preflight.items()) fields.insert(key);
  fields.insert("not_checked");  // which the server adds
  EXPECT_EQ(fields, DeclaredIn("message Preflight {"));
  EXPECT_EQ(preflight["family"], "bert");
  EXPECT_EQ(preflight["task"], "text-classification");
  EXPECT_EQ(preflight["layers"], 2);
  EXPECT_EQ(preflight["samples"], 43);
  EXPECT_DOUBLE_EQ(preflight["budget_flops"], 0.25 * preflight["original_flops"].get<double>());
  EXPECT_DOUBLE_EQ(preflight["speedup"], 4);
  EXPECT_NEAR(preflight["sequence_length"], preflight["tokens"].get<double>() / 43, 1e-9);
  EXPECT_FALSE(fs::exists(job / "result/model.safetensors"));
}

TEST(RunJobTest, APrecisionThatDoesNotPayIsWarnedOf) {
  for (const std::string precision : {"auto", "fp32", "bf16"}) {
    const JobDirectory job(kClassifier);
    ASSERT_TRUE(job.Run("preflight", {{"options", {{"precision", precision}}}}).ok());
    const json warnings = job.Result(kPreflightFile)["warnings"];
    const bool slow = precision == "bf16" && ComputeType("auto", at::kCPU) != at::kBFloat16;
    ASSERT_EQ(warnings.size(), slow ? 1u : 0u) << precision << ": " << warnings;
    if (!slow) continue;
    EXPECT_THAT(warnings[0].get<std::string>(), ::testing::HasSubstr("no fast instructions for bfloat16"));
    fs::remove_all(job / "result");
    RecordingObserver observer;
    ASSERT_TRUE(job.Run("prune", {{"options", {{"precision", precision}}}}, observer).ok());
    EXPECT_THAT(observer.warnings, ::testing::Contains(warnings[0].get<std::string>()));
  }
}

TEST(RunJobTest, EvaluateSaysWhatTheModelIsAndDoes) {
  const JobDirectory job(kClassifier);
  const absl::Status status = job.Run("evaluate");
  ASSERT_TRUE(status.ok()) << status;
  const json evaluation = job.Result(kEvaluationFile);
  EXPECT_EQ(evaluation["task"], "text-classification");
  EXPECT_EQ(evaluation["metric"]["name"], "accuracy");
  EXPECT_EQ(evaluation["metric"]["n"], 48);
  const double value = evaluation["metric"]["value"];
  EXPECT_GE(value, evaluation["metric"]["interval95"][0].get<double>());
  EXPECT_LE(value, evaluation["metric"]["interval95"][1].get<double>());
  EXPECT_EQ(evaluation["metrics"]["accuracy"], value);
  EXPECT_GT(evaluation["latency_ms"], 0);
  const absl::StatusOr<ModelFolder> model = OpenModelFolder((job / "model").string(), {});
  EXPECT_DOUBLE_EQ(evaluation["flops"], EncoderFlops(model->config, evaluation["sequence_length"]));
  EXPECT_GT(evaluation["parameters"], 0);
}

TEST(RunJobTest, EvaluateWithoutLabelsHasNoMetric) {
  const JobDirectory job({.sentence_encoder = true});
  ASSERT_TRUE(job.Run("evaluate").ok());
  EXPECT_TRUE(job.Result(kEvaluationFile)["metric"].is_null());
}

TEST(RunJobTest, CompareSetsModelsSideBySide) {
  const JobDirectory job(kClassifier);
  ASSERT_TRUE(job.Run("prune", {{"options", {{"keep_flops", 0.3}}}}).ok());
  fs::rename(job / "result", job / "pruned");
  const absl::Status status = job.Run("compare", {{"others", {"pruned", "model"}}});
  ASSERT_TRUE(status.ok()) << status;
  const json models = job.Result(kComparisonFile)["models"];
  ASSERT_EQ(models.size(), 3u);
  EXPECT_TRUE(models[0]["agreement"].is_null());
  EXPECT_GT(models[1]["agreement"]["kl"], 1e-6);
  EXPECT_LT(models[1]["flops"], models[0]["flops"]);
  EXPECT_LT(models[1]["file_bytes"], models[0]["file_bytes"]);
  // The original against itself.
  EXPECT_EQ(models[2]["agreement"]["top1"], 1.0);
  EXPECT_NEAR(models[2]["agreement"]["kl"], 0, 1e-9);
  EXPECT_EQ(models[2]["metric"]["value"], models[0]["metric"]["value"]);
  // The difference to the original, on the same samples.
  EXPECT_FALSE(models[0]["metric"].contains("difference"));
  EXPECT_EQ(models[2]["metric"]["difference"]["value"], 0.0);
  const json difference = models[1]["metric"]["difference"];
  EXPECT_NEAR(difference["value"],
              models[1]["metric"]["value"].get<double>() - models[0]["metric"]["value"].get<double>(), 1e-12);
  EXPECT_LE(difference["interval95"][0], difference["value"]);
  EXPECT_GE(difference["interval95"][1], difference["value"]);
}

TEST(RunJobTest, TokenizeShowsWhatTheModelSees) {
  const JobDirectory job(kClassifier);
  testing::WriteFile(job / "data/samples.jsonl",
                     "{\"text\": \"The river walks.\"}\n\n{\"text\": \"good\", \"text_pair\": \"bad\"}\n");
  const absl::Status status = job.Run("tokenize");
  ASSERT_TRUE(status.ok()) << status;
  const std::vector<std::string> vocabulary = testing::TinyVocabulary();
  std::istringstream lines(ReadFile(job / "result/tokens.jsonl"));
  std::vector<json> tokenized;
  for (std::string line; std::getline(lines, line);) tokenized.push_back(json::parse(line));
  ASSERT_EQ(tokenized.size(), 2u);
  const auto words = [&](const json& line) {
    std::vector<std::string> texts;
    for (int id : line["input_ids"]) texts.push_back(vocabulary.at(static_cast<size_t>(id)));
    return texts;
  };
  using Words = std::vector<std::string>;
  EXPECT_EQ(words(tokenized[0]), (Words{"[CLS]", "the", "river", "walk", "##s", ".", "[SEP]"}));
  EXPECT_EQ(words(tokenized[1]), (Words{"[CLS]", "good", "[SEP]", "bad", "[SEP]"}));
  EXPECT_EQ(tokenized[1]["token_type_ids"], json({0, 0, 0, 1, 1}));
  EXPECT_EQ(tokenized[1]["line"], 3);
  EXPECT_EQ(tokenized[1]["file"], "samples.jsonl");
}

}  // namespace
}  // namespace kprune
