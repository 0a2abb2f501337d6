// The refit-aware search against an independent implementation on a real model.
#include "tests/engine/pruning/golden.h"

#include <ATen/ATen.h>

#include "engine/evaluation/outputs.h"
#include "engine/model/tensor_conversion.h"

namespace kprune {
namespace {

using RefitGoldenTest = testing::GoldenFixture;

// The golden's plain setting: no variants, no token weights, inputs as they are.
Options PlainOptions() {
  Options options{.method = "refit", .keep_flops = {0.3}, .max_length = 64};
  options.variants = 0;
  options.token_weighting = 0;
  options.damping = 1e-4;
  options.ridge = 1e-6;
  options.input_ridge = 0;
  options.sequence_length = 25.16;
  options.holdout = 0;
  return options;
}

TEST_F(RefitGoldenTest, KeepsTheSameUnitsAndGivesTheSameLogits) {
  ASSERT_NO_FATAL_FAILURE(Prune(PlainOptions(), "sst2-refit30"));
  for (int t = 0; t < 12; ++t) {
    EXPECT_GE(CommonUnits(t).intersection_over_union, 0.98)
        << "sublayer " << t << " keeps " << pruned_.sublayers[t].num_units() << ", the golden "
        << Kept(t).size();
  }
  const TensorView& ids = *golden_->Find("probe.input_ids");
  const at::Tensor input_ids = at::from_blob(const_cast<std::byte*>(ids.bytes.data()), ids.shape, at::kLong);
  const TensorView& mask_view = *golden_->Find("probe.attention_mask");
  const at::Tensor mask =
      at::from_blob(const_cast<std::byte*>(mask_view.bytes.data()), mask_view.shape, at::kLong);
  std::vector<Sample> samples;
  for (int64_t n = 0; n < input_ids.size(0); ++n) {
    Sample& sample = samples.emplace_back();
    for (int64_t i = 0; i < mask[n].sum().item<int64_t>(); ++i)
      sample.input_ids.push_back(input_ids[n][i].item<int>());
    sample.token_type_ids.assign(sample.input_ids.size(), 0);
  }
  const at::Tensor logits = ToFloatTensor(*golden_->Find("probe.logits_after"));
  EXPECT_LE((RunSamples(pruned_, samples) - logits).abs().max().item<double>(), 1e-2);
}

}  // namespace
}  // namespace kprune
