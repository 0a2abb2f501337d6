// The paper's method against an independent implementation on a real model.
#include "tests/engine/pruning/golden.h"

#include <ATen/ATen.h>

#include "engine/model/tensor_conversion.h"

namespace kprune {
namespace {

struct Golden {
  const char* name;
  const char* predictive;
  double lambda_rep;
};

class GoldenTest : public testing::GoldenFixture, public ::testing::WithParamInterface<Golden> {};

TEST_P(GoldenTest, KeepsTheSameUnitsAndTunesTheSameWeights) {
  const Options options{.method = "kprune",
                        .keep_flops = {0.5},
                        .max_length = 64,
                        .predictive = GetParam().predictive,
                        .scoring = "paper-code",
                        .lambda_rep = GetParam().lambda_rep,
                        .sequence_length = 25.16,
                        .batch_order = "file",
                        .holdout = 0};
  ASSERT_NO_FATAL_FAILURE(Prune(options, GetParam().name));
  for (int t = 0; t < 12; ++t) {
    const Common common = CommonUnits(t);
    EXPECT_GE(common.intersection_over_union, 0.995) << "sublayer " << t;
    const Sublayer& sublayer = pruned_.sublayers[t];
    const at::Tensor weight = ToFloatTensor(*golden_->Find(absl::StrCat("sublayer.", t, ".weight")));
    const at::Tensor their_columns =
        weight.index_select(1, FeaturesOf(common.theirs, sublayer.unit_width, at::kCPU));
    const at::Tensor our_columns = sublayer.out.weight.to(at::kCPU).index_select(
        1, FeaturesOf(common.ours, sublayer.unit_width, at::kCPU));
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
