// Finished sublayers as a pruning job might leave them, and what it means that two of them are the same.
#ifndef KPRUNE_TESTS_ENGINE_PRUNING_RANDOM_SUBLAYER_H_
#define KPRUNE_TESTS_ENGINE_PRUNING_RANDOM_SUBLAYER_H_

#include <ATen/ATen.h>

#include <bit>
#include <random>

#include "engine/pruning/sublayer_file.h"

namespace kprune {

// Sublayer `index` of a model of 4 layers, hidden size 6, 4 heads of width 3 and 9 neurons. Small, so that a
// test can damage each of its bytes.
inline SublayerCheckpoint RandomSublayer(int index, uint32_t seed) {
  std::mt19937 random(seed * 1000 + index);
  const bool attention = index % 2 == 0;
  SublayerCheckpoint record;
  record.pruned = {.index = index,
                   .total = 8,
                   .layer = index / 2,
                   .kind = attention ? SublayerKind::kAttention : SublayerKind::kFeedForward,
                   .units = attention ? 4 : 9,
                   .kept = 2,
                   .budget_left_flops = static_cast<double>(random()) / 3,
                   .measure_seconds = static_cast<double>(random()) / 7,
                   .search_seconds = static_cast<double>(random()) / 11,
                   .tune_seconds = static_cast<double>(random()) / 13,
                   .solver = "cholesky",
                   .condition = static_cast<double>(random()) * 1e300,
                   .reconstruction_error = 1.0 / static_cast<double>(random() | 1)};
  record.kept_positions = {static_cast<int64_t>(random() % 2), 2 + static_cast<int64_t>(random() % 2)};
  // One measurement decides on two sublayers.
  if (index % 4 != 3) record.next_positions = {{1, 2 + static_cast<int64_t>(random() % 2)}};
  const auto values = [&random](at::IntArrayRef shape) {
    at::Tensor tensor = at::empty(shape, at::kFloat);
    for (int64_t i = 0; i < tensor.numel(); ++i) {
      tensor.mutable_data_ptr<float>()[i] = static_cast<float>(random()) / 5e8f - 4;
    }
    return tensor;
  };
  const int64_t features = attention ? 6 : 2;
  record.out = {values({6, features}), values({6})};
  // Every other layer's inputs were refitted.
  if (index % 4 < 2) {
    const int64_t rows = attention ? 3 * features : features;
    record.in = {values({rows, 6}), values({rows})};
  }
  record.batch_tokens = 8192 >> (random() % 3);
  return record;
}

inline bool SameBits(double a, double b) { return std::bit_cast<int64_t>(a) == std::bit_cast<int64_t>(b); }

inline bool SameBits(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return at::equal(a.contiguous().view(at::kInt), b.contiguous().view(at::kInt));
}

inline bool SameBits(const Linear& a, const Linear& b) {
  return SameBits(a.weight, b.weight) && SameBits(a.bias, b.bias);
}

// Every field, bit for bit.
inline bool Same(const SublayerCheckpoint& a, const SublayerCheckpoint& b) {
  const SublayerPruned &p = a.pruned, &q = b.pruned;
  return p.index == q.index && p.total == q.total && p.layer == q.layer && p.kind == q.kind &&
         p.units == q.units && p.kept == q.kept && SameBits(p.budget_left_flops, q.budget_left_flops) &&
         SameBits(p.measure_seconds, q.measure_seconds) && SameBits(p.search_seconds, q.search_seconds) &&
         SameBits(p.tune_seconds, q.tune_seconds) && p.solver == q.solver &&
         SameBits(p.condition, q.condition) && SameBits(p.reconstruction_error, q.reconstruction_error) &&
         a.kept_positions == b.kept_positions && a.next_positions == b.next_positions &&
         SameBits(a.in, b.in) && SameBits(a.out, b.out) && a.batch_tokens == b.batch_tokens;
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_ENGINE_PRUNING_RANDOM_SUBLAYER_H_
