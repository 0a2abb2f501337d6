#include "bench/measurement_flops.h"

#include "engine/pruning/objective.h"

namespace kprune {
namespace {

bool IsAttention(int t) { return t % 2 == 0; }

// Features of sublayer t: heads * head_dim, or neurons.
double Features(const ModelConfig& config, int t) {
  const auto layer = static_cast<size_t>(t / 2);
  return IsAttention(t) ? static_cast<double>(config.heads[layer].size()) * config.head_dim
                        : static_cast<double>(config.neurons[layer].size());
}

// One product of `rows` tokens with a d x U weight.
double Projection(const ModelConfig& config, int t, double rows) {
  return 2 * rows * config.hidden_size * Features(config, t);
}

// Tokens whose gradient at the output of sublayer t is not zero: in the last layer of a model that reads
// first tokens, only these.
double GradientRows(const ModelConfig& config, const TokenCounts& counts, int t) {
  const bool last_layer = t / 2 == config.num_layers - 1;
  return last_layer && config.reads_first_tokens() ? counts.sequences : counts.tokens;
}

double ForwardFlops(const ModelConfig& config, const TokenCounts& counts, int t) {
  if (IsAttention(t)) {
    return 4 * Projection(config, t, counts.tokens) + 4 * Features(config, t) * counts.squared_lengths;
  }
  // Its features are needed for all tokens (representational knowledge); what leaves the last one is not.
  return Projection(config, t, counts.tokens) + Projection(config, t, GradientRows(config, counts, t));
}

// From the gradient of the output of sublayer t to that of its features.
double OutputBackwardFlops(const ModelConfig& config, const TokenCounts& counts, int t) {
  return Projection(config, t, GradientRows(config, counts, t));
}

// From the gradient of the features of sublayer t to that of its input.
double InputBackwardFlops(const ModelConfig& config, const TokenCounts& counts, int t) {
  const double rows = GradientRows(config, counts, t);
  if (!IsAttention(t)) return Projection(config, t, rows);
  if (rows == counts.tokens)
    return 3 * Projection(config, t, rows) + 8 * Features(config, t) * counts.squared_lengths;
  // One query a sequence: the gradients at its keys are multiples of one vector a head, those at its values
  // of another. Query and vectors are projected; scores and query take a row of pairs each; the multiples are
  // summed for all tokens.
  const double heads = Features(config, t) / config.head_dim;
  return 3 * Projection(config, t, rows) + 4 * Features(config, t) * counts.tokens +
         2 * counts.tokens * 2 * heads * config.hidden_size;
}

}  // namespace

TokenCounts CountTokens(absl::Span<const Sample> samples) {
  TokenCounts counts;
  for (const Sample& sample : samples) {
    const auto length = static_cast<double>(sample.input_ids.size());
    counts.sequences += 1;
    counts.tokens += length;
    counts.squared_lengths += length * length;
  }
  return counts;
}

int BackwardPasses(const ModelConfig& config, const Options& options) {
  return options.predictive == "kl-gradient" ? 1 : NumFisherProbes(config.task, config.num_labels);
}

double MeasurementFlops(const ModelConfig& config, const TokenCounts& counts, int backward_passes, int t) {
  double forward = 0, backward = 0;
  for (int s = t; s < 2 * config.num_layers; ++s) {
    forward += ForwardFlops(config, counts, s);
    backward += OutputBackwardFlops(config, counts, s);
    if (s > t) backward += InputBackwardFlops(config, counts, s);
  }
  return forward + backward_passes * backward;
}

double TuningFlops(const ModelConfig& config, const TokenCounts& counts, int t, int64_t kept) {
  const double features = Features(config, t), d = config.hidden_size;
  const double kept_features = static_cast<double>(kept) * (IsAttention(t) ? config.head_dim : 1);
  const double teacher =
      IsAttention(t) ? 4 * Projection(config, t, counts.tokens) + 4 * features * counts.squared_lengths
                     : 2 * Projection(config, t, counts.tokens);
  const double gram = counts.tokens * features * (features + 1);
  const double products = Projection(config, t, counts.tokens);
  const double solve = kept_features * kept_features * (kept_features / 3 + 2 * d);
  const double output = 2 * counts.tokens * kept_features * d;
  return teacher + gram + products + solve + output;
}

}  // namespace kprune
