// What transformers 4 and 5 compute with a result is what the engine computes.
#include "tests/support/transformers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/cost/latency.h"
#include "engine/evaluation/metrics.h"
#include "engine/evaluation/outputs.h"
#include "engine/model/dense_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kprune/supported_models.h"
#include "tests/worker/job_directory.h"
#include "worker/inputs.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::TinyModel;
using ::kprune::testing::Transformers;
using nlohmann::json;
using ::testing::AnyOf;
using ::testing::HasSubstr;

const json kDense = {{"options", {{"keep_flops", 0.4}, {"export", {"safetensors", "dense"}}}}};

class ConsumerTest : public ::testing::Test {
 protected:
  static ModelInputs Opened(const fs::path& folder, const std::string& task = "auto") {
    Options options;
    options.task = task;
    absl::StatusOr<ModelInputs> model = OpenModel(folder, options);
    if (!model.ok()) throw std::runtime_error(model.status().ToString());
    return *std::move(model);
  }

  static Encoder Loaded(const ModelFolder& folder) {
    absl::StatusOr<Encoder> encoder = LoadEncoder(folder, at::kCPU);
    if (!encoder.ok()) throw std::runtime_error(encoder.status().ToString());
    return *std::move(encoder);
  }

  // Writes the inputs that both sides compute; without texts, some of every length up to 12.
  void WriteInputs(const ModelConfig& config) {
    samples_.clear();
    for (int length = 1; length <= 12; ++length) {
      Sample& sample = samples_.emplace_back();
      for (int i = 0; i < length; ++i) {
        sample.input_ids.push_back((i * 37 + length * 11 + 1) % config.vocab_size);
        sample.token_type_ids.push_back(config.type_vocab_size > 1 && 2 * i > length ? 1 : 0);
      }
    }
    WriteSamples();
  }

  void WriteSamples() {
    std::string lines;
    for (const Sample& sample : samples_) {
      const json line = sample.image != nullptr ? json{{"pixel_values", PixelsOf(*sample.image)}}
                                                : json{{"input_ids", sample.input_ids},
                                                       {"token_type_ids", sample.token_type_ids}};
      lines += line.dump() + "\n";
    }
    testing::WriteFile(folder_ / "inputs.jsonl", lines);
  }

  static json PixelsOf(const Image& image) {
    const ImageShape& shape = image.shape();
    std::vector<float> values(static_cast<size_t>(shape.values()));
    image.Write(absl::MakeSpan(values));
    json channels = json::array();
    for (auto value = values.begin(); value != values.end();) {
      json& rows = channels.emplace_back(json::array());
      for (int64_t row = 0; row < shape.height; ++row, value += shape.width)
        rows.push_back(std::vector<float>(value, value + shape.width));
    }
    return channels;
  }

  static at::Tensor ToTensor(const json& rows_NC) {
    std::vector<at::Tensor> rows;
    for (const json& row : rows_NC) rows.push_back(at::tensor(row.get<std::vector<double>>(), at::kFloat));
    return at::stack(rows);
  }

  // Rows of numbers, as the engine computes them.
  void ExpectSame(const json& rows_NC, const at::Tensor& expected_NC, const std::string& what) {
    const at::Tensor found_NC = ToTensor(rows_NC);
    ASSERT_EQ(found_NC.sizes(), expected_NC.sizes()) << what;
    const double bound = 1e-4 * std::max(1.0, expected_NC.abs().max().item<double>());
    EXPECT_LE((found_NC - expected_NC).abs().max().item<double>(), bound) << what;
  }

  // `folder` gives the outputs of `encoder` on the inputs that were written, with every kind of attention.
  void ExpectLoadsAs(Transformers& transformers, const fs::path& folder, const Encoder& encoder,
                     const std::vector<std::string>& more_arguments = {}) {
    std::vector<std::string> arguments = {"outputs", folder, "--inputs", folder_ / "inputs.jsonl"};
    arguments.insert(arguments.end(), more_arguments.begin(), more_arguments.end());
    const json told = transformers.Run(arguments);
    EXPECT_EQ(told["version"].get<std::string>()[0] - '0', transformers.major());
    EXPECT_EQ(told["layers"], json({encoder.config.num_layers, encoder.config.num_layers}));
    const at::Tensor expected_NC = RunSamples(encoder, samples_);
    if (told.contains("sdpa")) ExpectSame(told["sdpa"], expected_NC, folder.string() + " sdpa");
    ExpectSame(told["eager"], expected_NC, folder.string() + " eager");
  }

  const testing::TemporaryFolder folder_;
  std::vector<Sample> samples_;
};

class TransformersTest : public ConsumerTest, public ::testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    if (!transformers_.Missing().empty()) GTEST_SKIP() << transformers_.Missing();
  }

  // The original in `folder` with layers 0 without heads, 1 without neurons, and 2 without both, as a folder
  // of an uncommon name.
  fs::path WithEmptySublayers(const fs::path& folder) {
    const ModelFolder original = Opened(folder).folder;
    Encoder encoder = Loaded(original);
    const std::vector<Selection> kept = {{}, {0, 5, 63}, {1, 2}, {}, {}, {}};
    for (int t = 0; t < encoder.num_sublayers(); ++t) encoder.Keep(t, kept.at(static_cast<size_t>(t)));
    const fs::path destination = folder_ / "keep-0.10";
    fs::create_directory(destination);
    const absl::Status status = WriteModelFolder(original, encoder, destination.string());
    EXPECT_TRUE(status.ok()) << status;
    return destination;
  }

  Transformers transformers_{GetParam(), folder_.path()};
};

TEST_P(TransformersTest, Examples) {
  for (const char* family : testing::kTinyFamilies) {
    SCOPED_TRACE(family);
    const JobDirectory job({.family = family, .task = "text-classification", .labels = 3});
    const absl::Status status = job.Run("prune", kDense);
    ASSERT_TRUE(status.ok()) << status;
    const Encoder pruned = Loaded(Opened(job / "result").folder);
    WriteInputs(pruned.config);
    ExpectLoadsAs(transformers_, job / "result", pruned);
    // The dense folder needs no code: the class that config.json names.
    ExpectLoadsAs(transformers_, job / "result/dense", pruned, {"--stock"});
  }
}

// On checkpoints that transformers wrote (tests/engine/goldens).
TEST_P(TransformersTest, LoadsHalvesOfEveryFamily) {
  for (const SupportedFamily& row : kSupportedFamilies) {
    const std::string family = row.model_type;
    const bool newer = family == "gte" || family == "nomic_bert";
    if (newer && transformers_.major() < 5) continue;  // it has no such classes
    std::vector<std::string> goldens = {row.images ? "image_classification" : "text_classification",
                                        "feature_extraction"};
    if (family == "deit") goldens.emplace_back("with_teacher");
    for (const std::string& golden : goldens) {
      std::string name = family + "_" + golden;
      std::replace(name.begin(), name.end(), '-', '_');
      SCOPED_TRACE(name);
      const fs::path path = fs::path(KPRUNE_SOURCE_DIR) / "tests/engine/goldens" / name;
      const ModelFolder original = Opened(path).folder;
      Encoder half = Loaded(original);
      for (const int t : half.config.OwnSublayers()) {
        half.Keep(t, t % 2 == 0 ? Selection{1} : Selection{0, 2, 3, 7, 8, 11});
        // A result's biases are not zeros, whatever the family's are.
        half.ReplaceOutput(t, {half.sublayers[t].out.weight, half.sublayers[t].out.bias + 0.1 * (t + 1)});
      }
      const fs::path pruned = folder_ / name, dense = folder_ / (name + "_dense");
      for (const fs::path& path : {pruned, dense}) fs::create_directory(path);
      ASSERT_TRUE(WriteModelFolder(original, half, pruned.string()).ok());
      samples_.clear();
      if (row.images) samples_ = AnySamples({.batch_size = 7}, original.config);
      for (int length = 1; length <= 12 && !row.images; ++length) {
        Sample& sample = samples_.emplace_back();
        for (int i = 0; i < length; ++i) sample.input_ids.push_back(4 + (i * 37 + length * 11) % 28);
        sample.token_type_ids.assign(length, 0);
      }
      WriteSamples();
      std::vector<std::string> pooling;
      if (golden == "feature_extraction") pooling = {"--pooling", row.images ? "cls" : "mean"};
      if (row.images && pooling.empty()) pooling = {"--task", "image-classification"};
      ExpectLoadsAs(transformers_, pruned, half, pooling);
      const absl::Status status = WriteDenseFolder(original, half, dense.string());
      if (newer) {
        EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
        continue;
      }
      ASSERT_TRUE(status.ok()) << status;
      std::vector<std::string> stock = pooling;
      stock.push_back("--stock");
      ExpectLoadsAs(transformers_, dense, half, stock);
    }
  }
}

TEST_P(TransformersTest, LoadsTheModelsOfEveryTaskByTheirOwnClasses) {
  for (const char* family : testing::kTinyFamilies) {
    for (const char* task : {"token-classification", "question-answering", "fill-mask", "multiple-choice"}) {
      SCOPED_TRACE(std::string(family) + " " + task);
      const JobDirectory job({.family = family, .task = task, .labels = 3});
      const absl::Status status = job.Run("prune", kDense);
      ASSERT_TRUE(status.ok()) << status;
      const Encoder pruned = Loaded(Opened(job / "result").folder);
      EXPECT_STREQ(pruned.config.task_name(), task);
      WriteInputs(pruned.config);
      if (pruned.config.task == Task::kMultipleChoice) {
        for (size_t i = 0; i < samples_.size(); ++i) samples_[i].choice = static_cast<int32_t>(i % 2);
      }
      ExpectLoadsAs(transformers_, job / "result", pruned, {"--task", task});
      ExpectLoadsAs(transformers_, job / "result/dense", pruned, {"--task", task, "--stock"});
    }
  }
}

TEST_P(TransformersTest, LoadsLayersWithoutHeadsAndWithoutNeurons) {
  for (const char* family : testing::kTinyFamilies) {
    SCOPED_TRACE(family);
    testing::WriteTinyModel(folder_ / "model",
                            {.family = family, .task = "text-classification", .layers = 3});
    const fs::path empty = WithEmptySublayers(folder_ / "model");
    const Encoder pruned = Loaded(Opened(empty).folder);
    WriteInputs(pruned.config);
    ExpectLoadsAs(transformers_, empty, pruned);
    fs::remove_all(empty);
  }
}

TEST_P(TransformersTest, LoadsEncodersWithAndWithoutThePrefixInTheirTensorNames) {
  for (const char* task : {"feature-extraction", "text-classification"}) {
    SCOPED_TRACE(task);
    const JobDirectory job({.task = task});
    const absl::Status status =
        job.Run("prune", {{"options", {{"keep_flops", 0.4}, {"task", "feature-extraction"}}}});
    ASSERT_TRUE(status.ok()) << status;
    const Encoder pruned = Loaded(Opened(job / "result", "feature-extraction").folder);
    WriteInputs(pruned.config);
    ExpectLoadsAs(transformers_, job / "result", pruned, {"--pooling", "mean"});
  }
}

TEST_P(TransformersTest, SentenceTransformersLoadsASentenceEncoder) {
  const JobDirectory job({.sentence_encoder = true}, 12);
  const absl::Status status = job.Run("prune");
  ASSERT_TRUE(status.ok()) << status;
  const ModelInputs pruned = Opened(job / "result");
  const absl::StatusOr<SampleSet> texts = ReadModelSamples(pruned, {job / "data/samples.jsonl"}, {});
  ASSERT_TRUE(texts.ok()) << texts.status();
  const json told = transformers_.Run({"sentences", job / "result", "--data", job / "data/samples.jsonl"});
  ExpectSame(told["embeddings"], RunSamples(Loaded(pruned.folder), texts->samples), "embeddings");
}

TEST_P(TransformersTest, WhatItTrainedAndSavedLoadsThereAndHereAgain) {
  for (const char* family : testing::kTinyFamilies) {
    SCOPED_TRACE(family);
    testing::WriteTinyModel(folder_ / "model",
                            {.family = family, .task = "text-classification", .layers = 3});
    const fs::path empty = WithEmptySublayers(folder_ / "model"), saved = folder_ / "saved";
    WriteInputs(Opened(empty).folder.config);
    const json told =
        transformers_.Run({"train", empty, "--inputs", folder_ / "inputs.jsonl", "--saved", saved});
    EXPECT_EQ(told["without_gradient"], json::array());
    EXPECT_LT(told["loss"][1].get<double>(), 0.9 * told["loss"][0].get<double>());
    EXPECT_EQ(told["trained"], told["loaded_again"]);
    // Its code went with it, and the engine reads it as any other.
    EXPECT_TRUE(fs::exists(saved / "modeling_kprune.py"));
    const ModelFolder read = Opened(saved).folder;
    EXPECT_TRUE(read.config.heads[0].empty());
    ExpectSame(told["trained"], RunSamples(Loaded(read), samples_), "trained");
    fs::remove_all(empty);
  }
}

TEST_P(TransformersTest, RefusesAResultWhereItsCodeIsNotTrusted) {
  const JobDirectory job({.task = "text-classification"});
  ASSERT_TRUE(job.Run("prune").ok());
  const json told = transformers_.Run({"refusal", job / "result"});
  ASSERT_TRUE(told["error"].is_string()) << "a model of random weights was handed out";
  EXPECT_THAT(told["error"].get<std::string>(), AnyOf(HasSubstr("size mismatch"), HasSubstr("mismatched")));
}

INSTANTIATE_TEST_SUITE_P(Versions, TransformersTest, ::testing::Values(4, 5),
                         [](const auto& info) { return "Transformers" + std::to_string(info.param); });

// Pruned once for both versions.
TEST_F(ConsumerTest, BothVersionsLoadARealClassifierAndItsTokenizer) {
  Transformers versions[] = {{4, folder_.path()}, {5, folder_.path()}};
  if (!versions[0].Missing().empty()) GTEST_SKIP() << versions[0].Missing();
  const fs::path shared = KPRUNE_SHARED_DIR, model = shared / "models/sst2",
                 data = shared / "data/sst2/samples-256.jsonl";
  if (!fs::exists(model / "model.safetensors") || !fs::exists(data))
    GTEST_SKIP() << "there is no " << model << " or no " << data;
  const JobDirectory job({});
  const json real = {{"model", model},
                     {"data", {data}},
                     {"options",
                      {{"method", "kprune"},
                       {"keep_flops", 0.5},
                       {"samples", 48},
                       {"threads", 2},
                       {"export", {"safetensors", "dense"}}}}};
  const absl::Status status = job.Run("prune", real);
  ASSERT_TRUE(status.ok()) << status;
  const ModelInputs pruned = Opened(job / "result");
  const absl::StatusOr<SampleSet> texts = ReadModelSamples(pruned, {data}, {});
  ASSERT_TRUE(texts.ok()) << texts.status();
  const Encoder encoder = Loaded(pruned.folder);
  const Metric metric =
      *EvaluateMetric(Task::kSingleLabel, RunSamples(encoder, texts->samples), texts->samples);
  samples_.assign(texts->samples.begin(), texts->samples.begin() + 32);
  WriteSamples();
  for (Transformers& transformers : versions) {
    ExpectLoadsAs(transformers, job / "result", encoder);
    ExpectLoadsAs(transformers, job / "result/dense", encoder, {"--stock"});
    // From texts, by its own tokenizer.
    const json told = transformers.Run({"accuracy", job / "result", "--data", data});
    EXPECT_EQ(told["n"], metric.n);
    EXPECT_NEAR(told["accuracy"].get<double>(), metric.value, 1.5 / 256) << "at most one that is undecided";
    EXPECT_GT(metric.value, 0.8) << "of a model that knows nothing it is near 0.5";
  }
}

}  // namespace
}  // namespace kprune
