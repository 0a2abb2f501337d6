// The paper's method against an independent implementation on a real model: ../shared/golden.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "absl/strings/str_cat.h"
#include "engine/data/tokenizer.h"
#include "engine/formats/safetensors.h"
#include "engine/kprune/kprune.h"
#include "engine/model/model_folder.h"
#include "engine/model/tensor_conversion.h"
#include "tests/engine/model/compute_device.h"
#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

const std::filesystem::path kShared = KPRUNE_SHARED_DIR;

struct Golden {
  const char* name;
  const char* predictive;
  double lambda_rep;
};

class GoldenTest : public ::testing::TestWithParam<Golden> {};

std::set<int64_t> KeptByGolden(const TensorSource& golden, int t) {
  std::set<int64_t> kept;
  const TensorView& mask = *golden.Find(absl::StrCat("sublayer.", t, ".keep"));
  for (size_t u = 0; u < mask.bytes.size(); ++u) {
    if (mask.bytes[u] != std::byte{0}) kept.insert(static_cast<int64_t>(u));
  }
  return kept;
}

TEST_P(GoldenTest, KeepsTheSameUnitsAndTunesTheSameWeights) {
  if (!std::filesystem::exists(kShared / "golden"))
    GTEST_SKIP() << "no goldens at " << kShared << ": set KPRUNE_SHARED";
  const Options options{.keep_flops = 0.5,
                        .max_length = 64,
                        .predictive = GetParam().predictive,
                        .scoring = "paper-code",
                        .lambda_rep = GetParam().lambda_rep,
                        .sequence_length = 25.16,
                        .batch_order = "file",
                        .holdout = 0};
  const auto folder = OpenModelFolder((kShared / "models/sst2").string(), options);
  ASSERT_TRUE(folder.ok()) << folder.status();
  const auto tokenizer = LoadTokenizer(kShared / "models/sst2");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  const std::vector<std::filesystem::path> files = {kShared / "data/sst2/samples-256.jsonl"};
  const auto samples =
      ReadSamples(files, tokenizer->get(), {.max_length = 64, .vocab_size = folder->config.vocab_size});
  ASSERT_TRUE(samples.ok()) << samples.status();
  const auto encoder = LoadEncoder(*folder, testing::ComputeDevice());
  ASSERT_TRUE(encoder.ok()) << encoder.status();
  const auto golden = OpenSafetensors(kShared / "golden" / absl::StrCat(GetParam().name, ".safetensors"));
  ASSERT_TRUE(golden.ok()) << golden.status();

  testing::SilentObserver observer;
  const auto budget = MakeBudget(encoder->config, options.keep_flops, options.sequence_length);
  const auto result =
      KPrune(*encoder, samples->samples, *budget, options, ExecutionPlan(), /*checkpoint=*/nullptr, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  for (int t = 0; t < 12; ++t) {
    const Sublayer& sublayer = result->encoder.sublayers[t];
    const std::set<int64_t> expected = KeptByGolden(**golden, t);
    Selection ours, theirs;  // positions of the common units
    for (size_t i = 0; i < sublayer.units.size(); ++i) {
      const auto it = expected.find(sublayer.units[i]);
      if (it == expected.end()) continue;
      ours.push_back(static_cast<int64_t>(i));
      theirs.push_back(std::distance(expected.begin(), it));
    }
    const auto united = static_cast<double>(expected.size() + sublayer.units.size() - ours.size());
    EXPECT_GE(static_cast<double>(ours.size()) / united, 0.995) << "sublayer " << t;
    const at::Tensor weight = ToFloatTensor(*(*golden)->Find(absl::StrCat("sublayer.", t, ".weight")));
    const at::Tensor their_columns =
        weight.index_select(1, FeaturesOf(theirs, sublayer.unit_width, at::kCPU));
    const at::Tensor our_columns =
        sublayer.out.weight.to(at::kCPU).index_select(1, FeaturesOf(ours, sublayer.unit_width, at::kCPU));
    EXPECT_LE((their_columns - our_columns).norm().item<double>(), 0.01 * their_columns.norm().item<double>())
        << "sublayer " << t;
  }
}

void PrintTo(const Golden& golden, std::ostream* out) { *out << golden.name; }

INSTANTIATE_TEST_SUITE_P(PaperCode, GoldenTest,
                         ::testing::Values(Golden{"sst2-kl50", "kl-gradient", 2.5e-4},
                                           Golden{"sst2-fisher50", "fisher", 0.1}),
                         [](const auto& info) {
                           return std::string(info.param.predictive) == "fisher" ? "fisher50" : "kl50";
                         });

}  // namespace
}  // namespace kprune
