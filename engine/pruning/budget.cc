#include "engine/pruning/budget.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/cost/flops.h"

namespace kprune {

absl::StatusOr<double> LeastKeepFlops(const ModelConfig& config, double sequence_length) {
  const double original_flops = EncoderFlops(config, sequence_length);
  if (original_flops <= 0)
    return absl::FailedPreconditionError("the model has no heads and no neurons left to prune");
  // A unit of the dearer kind must fit: it may be the first that the search takes.
  double dearest = 0;
  for (SublayerKind kind : {SublayerKind::kAttention, SublayerKind::kFeedForward}) {
    const auto& layers = kind == SublayerKind::kAttention ? config.heads : config.neurons;
    const bool present =
        std::any_of(layers.begin(), layers.end(), [](const auto& units) { return !units.empty(); });
    if (present) dearest = std::max(dearest, UnitFlops(config, kind, sequence_length));
  }
  return dearest / original_flops;
}

absl::StatusOr<FlopsBudget> MakeBudget(const ModelConfig& config, double keep_flops, double sequence_length) {
  const absl::StatusOr<double> least = LeastKeepFlops(config, sequence_length);
  if (!least.ok()) return least.status();
  if (keep_flops < *least) {
    return absl::FailedPreconditionError(
        absl::StrCat("keep_flops ", keep_flops,
                     " leaves less than one unit; the reachable range of this model is ", *least, " to 1"));
  }
  const double original_flops = EncoderFlops(config, sequence_length);
  return FlopsBudget{sequence_length, original_flops, keep_flops * original_flops};
}

}  // namespace kprune
