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
  for (const int t : config.OwnSublayers()) {
    const bool present = !(t % 2 == 0 ? config.heads : config.neurons)[t / 2].empty();
    if (present) dearest = std::max(dearest, UnitFlops(config, t, sequence_length));
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
  return FlopsBudget{sequence_length, original_flops, keep_flops * original_flops, {}};
}

absl::StatusOr<FlopsBudget> MakeLatencyBudget(const ModelConfig& config, const Options& options,
                                              double sequence_length) {
  const double original_flops = EncoderFlops(config, sequence_length), target_ms = *options.target_latency_ms;
  absl::StatusOr<LatencyCosts> costs = CostsAt(*options.latency_table, config, sequence_length);
  if (!costs.ok()) return costs.status();
  const double most_ms = LatencyOf(*costs, config);
  double unit_ms = most_ms;  // of the cheapest unit, in all places of its sublayer
  for (const int t : config.OwnSublayers()) {
    const auto places = static_cast<double>(config.PlacesOf(t).size());
    unit_ms = std::min(unit_ms, places * (t % 2 == 0 ? costs->attention_ms : costs->feed_forward_ms)[1]);
  }
  if (target_ms < costs->other_ms + unit_ms || target_ms >= most_ms) {
    return absl::FailedPreconditionError(absl::StrCat(
        "target_latency_ms ", target_ms,
        target_ms >= most_ms ? " is what the whole model does not take"
                             : " leaves no time for a single head or neuron",
        "; by options.latency_table this model takes from ", costs->other_ms + unit_ms, " to ", most_ms,
        " ms for ", options.latency_table->batch_size, " x ", sequence_length, " tokens"));
  }
  return FlopsBudget{sequence_length, original_flops, original_flops,
                     LatencyBudget{target_ms, *std::move(costs)}};
}

}  // namespace kprune
