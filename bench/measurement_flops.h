// The FLOPs (two per multiply-add) that the measurement phase requires, of unpadded tokens: what a "fraction
// of the limit" divides by time. Only matrix products that the method cannot do without are counted; what an
// implementation computes beyond them (padding, rows that nothing reads) lowers its fraction.
//
// For target t: the forward pass of sublayers t .. 2L - 1 and, for each backward pass, the gradients of the
// features of t .. 2L - 1: sublayers t + 1 .. 2L - 1 backwards, and the output projection of t. No gradient
// of any weight. A product of activations with weights costs backwards what it costs forwards; attention's
// two products of activations with activations cost twice that, because both factors have a gradient.
//
// A model that reads only the first token of a sequence (a text classifier, or pooling "cls") needs less in
// its last layer: the last feed-forward's output projection for the first tokens only; backwards, the last
// feed-forward, the last attention's output projection and its queries for the first tokens only, and for its
// keys and values, whose gradients have one direction a head and sequence, two vectors a head and sequence.
//
// Everything from t up is still unpruned, so its widths are the config's. Embeddings, norms, activation
// functions and the task head are not counted. Pure functions.
#ifndef KPRUNE_BENCH_MEASUREMENT_FLOPS_H_
#define KPRUNE_BENCH_MEASUREMENT_FLOPS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/model_config.h"
#include "kprune/options.h"

namespace kprune {

// What a sample set costs.
struct TokenCounts {
  double sequences = 0;
  double tokens = 0;
  double squared_lengths = 0;  // summed over the sequences: what attention's scores take
};

TokenCounts CountTokens(absl::Span<const Sample> samples);

// Backward passes of one measurement: C - 1 for the Fisher information of C classes, 1 for the KL gradient.
int BackwardPasses(const ModelConfig& config, const Options& options);

// What measuring for target sublayer t requires.
double MeasurementFlops(const ModelConfig& config, const TokenCounts& counts, int backward_passes, int t);

// What finishing target t takes beyond its measurement: the teacher's pass through it, the symmetric Gram
// matrix of its features and their products with the target, the Cholesky solve for `kept` units, and the
// pruned output projection.
double TuningFlops(const ModelConfig& config, const TokenCounts& counts, int t, int64_t kept);

}  // namespace kprune

#endif  // KPRUNE_BENCH_MEASUREMENT_FLOPS_H_
