// Shapes: U features that are there, F features of all units, B blocks of rows, d hidden size.
#include "engine/model/dense_folder.h"

#include <ATen/ATen.h>

#include <numeric>

#include "absl/strings/str_cat.h"
#include "engine/model/encoder_folder.h"

namespace kprune {
namespace {

// `sublayer` with `all` units.
Sublayer WithAllUnits(const Sublayer& sublayer, int64_t all) {
  const int64_t features = all * sublayer.unit_width, hidden = sublayer.out.weight.size(0),
                blocks = sublayer.in_blocks();
  const at::Tensor places_U = FeaturesOf(sublayer.units, sublayer.unit_width, sublayer.out.weight.device());
  const at::Tensor& in_weight = sublayer.in.weight;
  const at::Tensor rows_BUd = in_weight.reshape({blocks, sublayer.num_features(), hidden}),
                   biases_BU = sublayer.in.bias.reshape({blocks, sublayer.num_features()});
  Sublayer dense = sublayer;
  dense.units.resize(all);
  std::iota(dense.units.begin(), dense.units.end(), 0);
  dense.in.weight = at::zeros({blocks, features, hidden}, in_weight.options())
                        .index_copy(1, places_U, rows_BUd)
                        .view({blocks * features, hidden});
  dense.in.bias = at::zeros({blocks, features}, sublayer.in.bias.options())
                      .index_copy(1, places_U, biases_BU)
                      .view({blocks * features});
  if (const at::Tensor& kept = sublayer.form.bias_RH; kept.defined()) {
    dense.form.bias_RH = at::zeros({kept.size(0), all}, kept.options())
                             .index_copy(1, FeaturesOf(sublayer.units, 1, kept.device()), kept);
  }
  for (Linear* projection : {&dense.positions.key, &dense.positions.query}) {
    if (!projection->weight.defined()) continue;
    const Linear& kept = *projection;
    *projection = {at::zeros({features, hidden}, in_weight.options()).index_copy(0, places_U, kept.weight),
                   at::zeros({features}, in_weight.options()).index_copy(0, places_U, kept.bias)};
  }
  dense.out.weight = at::zeros({hidden, features}, sublayer.out.weight.options())
                         .index_copy(1, places_U, sublayer.out.weight);
  return dense;
}

}  // namespace

Encoder Dense(const Encoder& pruned) {
  Encoder dense = pruned;
  for (const int t : pruned.config.OwnSublayers()) {
    const bool attention = pruned.sublayers[t].kind == SublayerKind::kAttention;
    dense.Put(t, WithAllUnits(pruned.sublayers[t],
                              attention ? pruned.config.num_heads : pruned.config.intermediate_size));
  }
  dense.config.json = WrittenConfig(dense.config);
  dense.config.json.erase("kprune");
  dense.config.json.erase("auto_map");
  return dense;
}

absl::Status CheckDense(const ModelConfig& config) {
  if (!NeedsBiases(config)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the classes of model_type ", config.family->model_type,
      " in transformers have no place for biases, which a pruned model has; leave dense out of export"));
}

absl::Status WriteDenseFolder(const ModelFolder& original, const Encoder& pruned,
                              const std::string& destination) {
  if (absl::Status status = CheckDense(pruned.config); !status.ok()) return status;
  const Encoder dense = Dense(pruned);
  return WriteEncoderFolder(original, dense, dense.config.json, destination);
}

}  // namespace kprune
