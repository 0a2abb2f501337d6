// What the sublayers of a model cost on one machine, as `kprune calibrate` measures it. The wire form is
// kprune.v1.LatencyTable; names and meaning are the same.
#ifndef KPRUNE_LATENCY_TABLE_H_
#define KPRUNE_LATENCY_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace kprune {

// Times of one batch of sequences of so many tokens.
struct LatencyRow {
  int64_t tokens = 0;
  double other_ms = 0;                  // what is left of the model without any head or neuron
  std::vector<double> attention_ms;     // of one layer that keeps LatencyTable::heads[i] heads
  std::vector<double> feed_forward_ms;  // of one layer that keeps LatencyTable::neurons[i] neurons
};

struct LatencyTable {
  // What ran, where: "ONNX Runtime 1.20.1", "AMD EPYC".
  std::string runtime;
  std::string device_name;
  int32_t threads = 0;
  int32_t batch_size = 0;  // sequences at once

  // The model's shape; a table serves models of this shape alone.
  std::string family;
  int32_t num_layers = 0;
  int32_t hidden_size = 0;
  int32_t head_dim = 0;

  // Numbers of heads and neurons of a layer that were measured: rising, from 0 to all.
  std::vector<int64_t> heads, neurons;

  std::vector<LatencyRow> rows;  // by rising tokens
};

}  // namespace kprune

#endif  // KPRUNE_LATENCY_TABLE_H_
