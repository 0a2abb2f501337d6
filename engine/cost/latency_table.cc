#include "engine/cost/latency_table.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

constexpr double kLeastStep = 1e-6;  // of the widest layer's cost: so much more a wider layer costs at least

double Between(double a, double b, double share) { return a + share * (b - a); }

// `values` at the rising `places`, for 0, 1, ..., places.back().
std::vector<double> Filled(const std::vector<int64_t>& places, const std::vector<double>& values) {
  std::vector<double> filled = {values[0]};
  for (size_t i = 1; i < places.size(); ++i) {
    const auto steps = static_cast<double>(places[i] - places[i - 1]);
    for (int64_t k = places[i - 1] + 1; k <= places[i]; ++k) {
      filled.push_back(Between(values[i - 1], values[i], static_cast<double>(k - places[i - 1]) / steps));
    }
  }
  return filled;
}

// Least squares among rising sequences: neighbours that fall are pooled. Then each step is made a real one.
std::vector<double> Rising(const std::vector<double>& values) {
  std::vector<std::pair<double, size_t>> pools;  // mean, count
  for (const double value : values) {
    pools.emplace_back(value, 1);
    while (pools.size() > 1 && pools[pools.size() - 2].first > pools.back().first) {
      const auto [mean, count] = pools.back();
      pools.pop_back();
      auto& [pooled, members] = pools.back();
      const auto a = static_cast<double>(members), b = static_cast<double>(count);
      pooled = (a * pooled + b * mean) / (a + b);
      members += count;
    }
  }
  std::vector<double> rising;
  for (const auto& [mean, count] : pools) rising.insert(rising.end(), count, mean);
  const double step = kLeastStep * std::max(1e-9, rising.back() - rising.front());
  for (size_t i = 1; i < rising.size(); ++i) rising[i] = std::max(rising[i], rising[i - 1] + step);
  return rising;
}

// What one layer costs, where `models_ms` are models of `num_layers` such layers; 0 for the first.
std::vector<double> LayerCosts(const std::vector<double>& models_ms, int num_layers) {
  std::vector<double> costs = Rising(models_ms);
  const double none = costs[0];
  for (double& cost : costs) cost = (cost - none) / num_layers;
  return costs;
}

absl::Status CheckShape(const LatencyTable& table, const ModelConfig& config) {
  const auto refuse = [](const char* what, const auto& found, const auto& accepted) {
    return absl::InvalidArgumentError(absl::StrCat("options.latency_table is of a model with ", what, " ",
                                                   found, ", this one has ", accepted,
                                                   "; measure one for it with kprune calibrate"));
  };
  if (table.family != config.family->model_type)
    return refuse("model_type", table.family, config.family->model_type);
  if (table.num_layers != config.num_layers) return refuse("layers", table.num_layers, config.num_layers);
  if (table.hidden_size != config.hidden_size)
    return refuse("hidden_size", table.hidden_size, config.hidden_size);
  if (table.head_dim != config.head_dim) return refuse("head size", table.head_dim, config.head_dim);
  if (table.heads.back() != config.num_heads) return refuse("heads", table.heads.back(), config.num_heads);
  if (table.neurons.back() != config.intermediate_size)
    return refuse("intermediate_size", table.neurons.back(), config.intermediate_size);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LatencyCosts> CostsAt(const LatencyTable& table, const ModelConfig& config, double tokens) {
  if (absl::Status status = CheckShape(table, config); !status.ok()) return status;
  const std::vector<LatencyRow>& rows = table.rows;
  const auto first = static_cast<double>(rows.front().tokens), last = static_cast<double>(rows.back().tokens);
  if (tokens < first || tokens > last) {
    return absl::InvalidArgumentError(absl::StrCat(
        "options.latency_table has sequences of ", first, " to ", last, " tokens, these samples have ",
        tokens, "; set sequence_length, or measure that length with kprune calibrate --lengths"));
  }
  const auto above = std::find_if(rows.begin(), rows.end(), [&](const LatencyRow& row) {
    return static_cast<double>(row.tokens) >= tokens;
  });
  const LatencyRow& b = *above;
  const LatencyRow& a = above == rows.begin() ? b : *(above - 1);
  const auto steps = static_cast<double>(b.tokens - a.tokens);
  const double share = steps > 0 ? (tokens - static_cast<double>(a.tokens)) / steps : 0;
  const auto between = [&](const std::vector<int64_t>& places, const std::vector<double>& below_ms,
                           const std::vector<double>& above_ms) {
    std::vector<double> ms;
    for (size_t i = 0; i < below_ms.size(); ++i) ms.push_back(Between(below_ms[i], above_ms[i], share));
    return Filled(places, ms);
  };
  return LatencyCosts{Between(a.other_ms, b.other_ms, share),
                      between(table.heads, a.attention_ms, b.attention_ms),
                      between(table.neurons, a.feed_forward_ms, b.feed_forward_ms)};
}

double LatencyOf(const LatencyCosts& costs, const ModelConfig& config) {
  double ms = costs.other_ms;
  for (const auto& heads : config.heads) ms += costs.attention_ms[heads.size()];
  for (const auto& neurons : config.neurons) ms += costs.feed_forward_ms[neurons.size()];
  return ms;
}

LatencyRow RowFrom(int64_t tokens, int num_layers, const WholeModelTimes& times) {
  LatencyRow row;
  row.tokens = tokens;
  row.attention_ms = LayerCosts(times.by_heads, num_layers);
  row.feed_forward_ms = LayerCosts(times.by_neurons, num_layers);
  // Of the model with both middles, what its layers do not take.
  row.other_ms = std::max(
      0.0, times.by_heads[times.middle_heads] - num_layers * (row.attention_ms[times.middle_heads] +
                                                              row.feed_forward_ms[times.middle_neurons]));
  return row;
}

}  // namespace kprune
