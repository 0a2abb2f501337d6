// The unpruned forward pass against outputs that transformers computed
// (tests/engine/goldens/make_goldens.py).
#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/evaluation/outputs.h"
#include "engine/model/tensor_conversion.h"
#include "gtest/gtest.h"
#include "tests/engine/model/golden_folder.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

// Float32 on both sides; 16-bit checkpoints too, whose weights both sides widen exactly to float32.
constexpr double kBound = 1e-4;

struct GoldenCase {
  const char* folder;
  Task task;
  const char* activation;
  DType dtype = DType::kF32;
};

void PrintTo(const GoldenCase& value, std::ostream* out) { *out << value.folder; }

class ForwardParityTest : public ::testing::TestWithParam<GoldenCase> {};

TEST_P(ForwardParityTest, GivesTheOutputsOfTransformers) {
  const fs::path path = GoldensFolder() / GetParam().folder;
  const ModelFolder folder = Opened(path);
  const Encoder encoder = Loaded(folder);
  EXPECT_EQ(encoder.config.task, GetParam().task);
  EXPECT_EQ(encoder.config.activation, GetParam().activation);
  EXPECT_EQ(folder.tensors->Find(folder.Name(folder.config.family->word_embeddings))->dtype,
            GetParam().dtype);
  const std::unique_ptr<TensorSource> golden = OpenGolden(path / "golden.safetensors");
  const at::Tensor expected = ToFloatTensor(*golden->Find("output"));
  EXPECT_GT(expected.abs().max().item<double>(), 0.2) << "a golden of zeros shows nothing";
  EXPECT_LT(LargestDifference(RunSamples(encoder, SamplesOf(*golden)), expected), kBound);
}

INSTANTIATE_TEST_SUITE_P(Goldens, ForwardParityTest,
                         ::testing::Values(GoldenCase{"bert_single_label", Task::kSingleLabel, "gelu"},
                                           GoldenCase{"bert_multi_label", Task::kMultiLabel, "gelu_new"},
                                           GoldenCase{"bert_regression", Task::kRegression, "relu"},
                                           GoldenCase{"bert_embedding_mean", Task::kEmbedding, "silu"},
                                           GoldenCase{"bert_embedding_cls", Task::kEmbedding, "gelu"},
                                           GoldenCase{"bert_embedding_last", Task::kEmbedding, "gelu"},
                                           GoldenCase{"bert_embedding_max", Task::kEmbedding, "gelu"},
                                           GoldenCase{"bert_embedding_sqrt", Task::kEmbedding, "gelu"},
                                           GoldenCase{"bert_fp16", Task::kSingleLabel, "gelu", DType::kF16},
                                           GoldenCase{"bert_bf16_sharded", Task::kSingleLabel, "gelu",
                                                      DType::kBF16},
                                           GoldenCase{"distilbert_single_label", Task::kSingleLabel, "gelu"},
                                           GoldenCase{"distilbert_embedding", Task::kEmbedding, "relu"}),
                         [](const auto& info) { return std::string(info.param.folder); });

// Negative controls: the goldens see what the bound is there to catch.
TEST(ForwardParityTest, SeesAWrongActivationAndAWrongEpsilon) {
  const fs::path path = GoldensFolder() / "bert_multi_label";
  Encoder encoder = Loaded(Opened(path));
  const std::unique_ptr<TensorSource> golden = OpenGolden(path / "golden.safetensors");
  const at::Tensor expected = ToFloatTensor(*golden->Find("output"));
  encoder.config.activation = "gelu";  // the golden's is its tanh approximation
  EXPECT_GT(LargestDifference(RunSamples(encoder, SamplesOf(*golden)), expected), kBound);
  encoder.config.activation = "gelu_new";
  encoder.sublayers[0].norm.eps = 1e-2;
  EXPECT_GT(LargestDifference(RunSamples(encoder, SamplesOf(*golden)), expected), kBound);
}

TEST(ForwardParityTest, GivesTheLogitsOfARealClassifier) {
  const fs::path shared = KPRUNE_SHARED_DIR;
  const fs::path model = shared / "models/sst2", golden_file = shared / "golden/sst2-kl50.safetensors";
  if (!fs::exists(model) || !fs::exists(golden_file))
    GTEST_SKIP() << "NOT CHECKED: no " << model << " or no " << golden_file << "; set KPRUNE_SHARED";
  const std::unique_ptr<TensorSource> golden = OpenGolden(golden_file);
  const Encoder encoder = Loaded(Opened(model));
  EXPECT_LT(LargestDifference(RunSamples(encoder, SamplesOf(*golden, "probe.")),
                              ToFloatTensor(*golden->Find("probe.logits_before"))),
            kBound);
}

}  // namespace
}  // namespace kprune
