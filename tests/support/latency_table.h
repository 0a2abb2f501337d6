// A latency table for tests, with numbers that are easy to add up.
#ifndef KPRUNE_TESTS_SUPPORT_LATENCY_TABLE_H_
#define KPRUNE_TESTS_SUPPORT_LATENCY_TABLE_H_

#include "kprune/latency_table.h"

namespace kprune::testing {

// Of a BERT of `layers` layers with hidden size 8 * `heads`, in which at 10 tokens a head costs 1 ms, a neuron
// 0.25 ms and the rest of the model 2 ms; and at 20 tokens twice as much.
inline LatencyTable EvenLatencyTable(int32_t layers, int64_t heads, int64_t neurons) {
  LatencyTable table{"ONNX Runtime 1.0", "a machine", 2, 4, "bert", layers, static_cast<int32_t>(8 * heads), 8,
                     {0, heads},         {0, neurons},     {}};
  for (const double scale : {1.0, 2.0}) {
    table.rows.push_back({static_cast<int64_t>(10 * scale),
                          2 * scale,
                          {0, scale * static_cast<double>(heads)},
                          {0, 0.25 * scale * static_cast<double>(neurons)}});
  }
  return table;
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_LATENCY_TABLE_H_
