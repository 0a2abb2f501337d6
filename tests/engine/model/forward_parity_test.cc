// The unpruned forward pass against outputs that transformers computed
// (tests/engine/goldens/make_goldens.py).
#include <ATen/ATen.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/evaluation/outputs.h"
#include "engine/formats/safetensors.h"
#include "engine/model/tensor_conversion.h"
#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

// Float32 on both sides; 16-bit checkpoints too, whose weights both sides widen exactly to float32.
constexpr double kBound = 1e-4;

std::vector<int64_t> LongsOf(const TensorView& view) {
  std::vector<int64_t> values(view.bytes.size() / sizeof(int64_t));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

// Padded rows of a golden as ragged samples; token types are 0 where it has none.
std::vector<Sample> SamplesOf(const TensorSource& golden, const std::string& prefix = "") {
  const TensorView& ids_view = *golden.Find(prefix + "input_ids");
  const TensorView* types_view = golden.Find(prefix + "token_type_ids");
  const std::vector<int64_t> ids = LongsOf(ids_view), mask = LongsOf(*golden.Find(prefix + "attention_mask"));
  const std::vector<int64_t> types =
      types_view == nullptr ? std::vector<int64_t>(ids.size()) : LongsOf(*types_view);
  std::vector<Sample> samples(ids_view.shape[0]);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (mask[i] == 0) continue;
    Sample& sample = samples[i / ids_view.shape[1]];
    sample.input_ids.push_back(static_cast<int32_t>(ids[i]));
    sample.token_type_ids.push_back(static_cast<int32_t>(types[i]));
  }
  return samples;
}

std::unique_ptr<TensorSource> OpenGolden(const fs::path& path) {
  absl::StatusOr<std::unique_ptr<TensorSource>> golden = OpenSafetensors(path);
  if (!golden.ok()) throw std::runtime_error(golden.status().ToString());
  return *std::move(golden);
}

fs::path GoldensFolder() { return fs::path(KPRUNE_SOURCE_DIR) / "tests/engine/goldens"; }

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
                                           GoldenCase{"bert_fp16", Task::kSingleLabel, "gelu", DType::kF16},
                                           GoldenCase{"bert_bf16_sharded", Task::kSingleLabel, "gelu",
                                                      DType::kBF16},
                                           GoldenCase{"distilbert_single_label", Task::kSingleLabel, "gelu"},
                                           GoldenCase{"distilbert_embedding", Task::kEmbedding, "relu"}),
                         [](const auto& info) { return std::string(info.param.folder); });

TEST(ForwardParityTest, EveryGoldenFolderHasItsTest) {
  size_t folders = 0;
  for (const auto& entry : fs::directory_iterator(GoldensFolder())) folders += entry.is_directory();
  EXPECT_EQ(folders, 9u);
}

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
