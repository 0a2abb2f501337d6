// Every family with every task against transformers (tests/engine/goldens/make_goldens.py): the outputs of
// the checkpoint as it is, of a pruned half of it, and of everything that is written of that.
#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>

#include "engine/evaluation/outputs.h"
#include "engine/export/export_verification.h"
#include "engine/export/exports.h"
#include "engine/model/dense_folder.h"
#include "engine/model/tensor_conversion.h"
#include "gtest/gtest.h"
#include "kprune/supported_models.h"
#include "tests/engine/export/runtime.h"
#include "tests/engine/model/golden_folder.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

constexpr double kBound = 1e-4;

// Family and task; or the name of a folder of its own, and "".
using Case = std::pair<std::string, std::string>;

std::string FolderOf(const Case& value) {
  std::string name = value.first + (value.second.empty() ? "" : "_" + value.second);
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

// Every second unit of every sublayer.
Selection HalfOf(const Sublayer& sublayer) {
  Selection keep;
  for (int64_t unit = 1; unit < sublayer.num_units(); unit += 2) keep.push_back(unit);
  return keep;
}

class FamilyParityTest : public ::testing::TestWithParam<Case> {
 protected:
  FamilyParityTest()
      : golden_(OpenGolden(Path() / "golden.safetensors")),
        folder_(Opened(Path())),
        samples_(Samples(*golden_, folder_.config)),
        encoder_(Loaded(folder_)) {}

  // Two choices a sample, where there are choices.
  static std::vector<Sample> Samples(const TensorSource& golden, const ModelConfig& config) {
    std::vector<Sample> samples = InputsOf(golden, config);
    if (GetParam().second != "multiple-choice") return samples;
    for (size_t i = 0; i < samples.size(); ++i) samples[i].choice = static_cast<int32_t>(i % 2);
    return samples;
  }

  static fs::path Path() { return GoldensFolder() / FolderOf(GetParam()); }

  Encoder Half() const {
    Encoder half = encoder_;
    for (const int t : half.config.OwnSublayers()) half.Keep(t, HalfOf(half.sublayers[t]));
    return half;
  }

  const std::unique_ptr<TensorSource> golden_;
  const ModelFolder folder_;
  const std::vector<Sample> samples_;
  const Encoder encoder_;
  const TempDirectory written_;
};

TEST_P(FamilyParityTest, GivesTheOutputsOfTransformers) {
  if (!GetParam().second.empty()) {
    EXPECT_EQ(encoder_.config.family->model_type, GetParam().first);
    EXPECT_EQ(encoder_.config.task_name(), GetParam().second);
  }
  const at::Tensor expected = ToFloatTensor(*golden_->Find("output"));
  EXPECT_GT(expected.abs().max().item<double>(), 0.2) << "a golden of zeros shows nothing";
  EXPECT_LT(LargestDifference(RunSamples(encoder_, samples_), expected), kBound);
}

TEST_P(FamilyParityTest, HalfOfItIsTheWholeWithZeroColumns) {
  Encoder zeroed = encoder_;
  for (Sublayer& sublayer : zeroed.sublayers) {
    const at::Tensor kept = FeaturesOf(HalfOf(sublayer), sublayer.unit_width, at::kCPU);
    const at::Tensor zeros = at::zeros_like(sublayer.out.weight);
    sublayer.out.weight = zeros.index_copy(1, kept, sublayer.out.weight.index_select(1, kept));
  }
  const at::Tensor expected = RunSamples(zeroed, samples_);
  EXPECT_GT(LargestDifference(RunSamples(encoder_, samples_), expected), 0.01) << "nothing was pruned";
  EXPECT_LT(LargestDifference(RunSamples(Half(), samples_), expected), kBound);
}

TEST_P(FamilyParityTest, WhatIsWrittenOfAHalfGivesTheSame) {
  const Encoder half = Half();
  const at::Tensor expected = RunSamples(half, samples_);
  const fs::path pruned = written_.path() / "pruned", dense = written_.path() / "dense";
  for (const fs::path& path : {pruned, dense}) fs::create_directory(path);
  ASSERT_TRUE(WriteModelFolder(folder_, half, pruned.string()).ok());
  EXPECT_LT(LargestDifference(RunSamples(Loaded(Opened(pruned)), samples_), expected), kBound);
  const absl::Status status = WriteDenseFolder(folder_, half, dense.string());
  const auto& table = kSupportedFamilies;
  const auto row = std::find_if(table.begin(), table.end(), [&](const SupportedFamily& family) {
    return family.model_type == std::string(folder_.config.family->model_type);
  });
  ASSERT_NE(row, table.end());
  if (!HasExport(*row, "dense")) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    return;
  }
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_LT(LargestDifference(RunSamples(Loaded(Opened(dense)), samples_), expected), kBound);
}

TEST_P(FamilyParityTest, EveryExportOfAHalfRunsAndAgrees) {
  const Encoder half = Half();
  ASSERT_TRUE(WriteExports(half, Options(), written_.path()).ok());
  const auto formats = VerifyExports(written_.path(), half, samples_, RunSamples(half, samples_), &Runtime());
  ASSERT_TRUE(formats.ok()) << formats.status();
  ASSERT_EQ(formats->size(), 2u);
  for (const VerifiedFormat& format : *formats) EXPECT_LT(*format.difference, kBound) << format.by;
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const SupportedFamily& family : kSupportedFamilies) {
    for (const char* task : kTasks) {
      if (HasTask(family, task)) cases.emplace_back(family.model_type, task);
    }
  }
  return cases;
}

TEST(FamilyWithoutTaskTest, IsRefused) {
  for (const SupportedFamily& family : kSupportedFamilies) {
    for (const char* task : kTasks) {
      if (HasTask(family, task)) continue;
      Options options;
      options.task = task;
      const fs::path folder =
          GoldensFolder() /
          FolderOf({family.model_type, family.images ? "image-classification" : "token-classification"});
      const absl::Status status = OpenModelFolder(folder.string(), options).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << family.model_type << " " << task;
      EXPECT_NE(std::string(status.message()).find("there are no models"), std::string::npos) << status;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Goldens, FamilyParityTest, ::testing::ValuesIn(AllCases()),
                         [](const auto& info) { return FolderOf(info.param); });

INSTANTIATE_TEST_SUITE_P(Variants, FamilyParityTest,
                         ::testing::Values(Case{"albert_two_groups", ""},
                                           Case{"deberta_v2_own_projections", ""},
                                           Case{"deit_with_teacher", ""},
                                           Case{"modernbert_mean_with_biases", ""},
                                           Case{"vit_gray_without_qkv_bias", ""}),
                         [](const auto& info) { return FolderOf(info.param); });

}  // namespace
}  // namespace kprune
