// Analytic cost of units in FLOPs (two per multiply-add) for one sequence of `s` tokens; design: head 8 s d h
// + 4 s^2 h, neuron 4 s d. Prunable units only: no embeddings, pooler, norms or task head, as the paper
// counts. Pure functions.
#ifndef KPRUNE_ENGINE_COST_FLOPS_H_
#define KPRUNE_ENGINE_COST_FLOPS_H_

#include <cstdint>

#include "engine/model/model_config.h"

namespace kprune {

// One attention head: query, key, value and output projections (8 s d h), scores and context (4 s^2 h).
double HeadFlops(double s, int64_t d, int64_t h);

// One neuron of a plain feed-forward sublayer: its row of the input and its column of the output projection.
double NeuronFlops(double s, int64_t d);

// One unit of sublayer t, in all places where layers share it. Beside the two above:
//   gated neurons      6 s d: a row of each half of the input projection
//   local attention    4 s min(s, 2 window + 1) h in place of 4 s^2 h
//   DeBERTa            2 s min(2 s - 1, 2 span) h for the products of queries with relative positions, and as
//                      much for those of keys; their projections are the same for all sequences, and not
//                      counted
double UnitFlops(const ModelConfig& config, int t, double s);

// All units that the model has (a pruned one: those it kept).
double EncoderFlops(const ModelConfig& config, double s);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_COST_FLOPS_H_
