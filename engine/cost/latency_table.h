// What a latency table says about one model at one length.
#ifndef KPRUNE_ENGINE_COST_LATENCY_TABLE_H_
#define KPRUNE_ENGINE_COST_LATENCY_TABLE_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/model_config.h"
#include "kprune/latency_table.h"
#include "kprune/progress.h"

namespace kprune {

// Milliseconds of one batch, by what a layer keeps.
struct LatencyCosts {
  double other_ms = 0;                  // of the model without any head or neuron
  std::vector<double> attention_ms;     // [heads + 1]: of one layer that keeps so many; rising from 0
  std::vector<double> feed_forward_ms;  // [neurons + 1]: the same

  const std::vector<double>& of(SublayerKind kind) const {
    return kind == SublayerKind::kAttention ? attention_ms : feed_forward_ms;
  }
};

// Linear between the lengths and widths that were measured. INVALID_ARGUMENT: the table is not of models of
// `config`'s shape, or `tokens` is outside of its lengths. Pure; thread-safe.
absl::StatusOr<LatencyCosts> CostsAt(const LatencyTable& table, const ModelConfig& config, double tokens);

// What a model of `config`'s heads and neurons takes.
double LatencyOf(const LatencyCosts& costs, const ModelConfig& config);

// Milliseconds of whole models, in each of which all layers are alike: they keep heads[i] heads and
// neurons[middle_neurons] neurons, or heads[middle_heads] heads and neurons[j] neurons of the table.
struct WholeModelTimes {
  std::vector<double> by_heads, by_neurons;
  size_t middle_heads = 0, middle_neurons = 0;  // by_heads and by_neurons have the same model there
};

// The row that follows: a layer's cost is the difference to the model whose layers have none, and what a
// wider layer seems to save is noise, which is evened out. Pure.
LatencyRow RowFrom(int64_t tokens, int num_layers, const WholeModelTimes& times);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_COST_LATENCY_TABLE_H_
