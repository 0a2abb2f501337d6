// How much a pruned model still says what the original says; needs no labels.
#ifndef KPRUNE_ENGINE_EVALUATION_AGREEMENT_H_
#define KPRUNE_ENGINE_EVALUATION_AGREEMENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/model_config.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Pairs grow with the square of the texts: the rank correlation of similarities takes this many texts at
// most, the first ones.
inline constexpr int64_t kMaxPairedTexts = 2048;

// The most samples that FlippedSamples lists.
inline constexpr int kMostFlipped = 100;

// Of the outputs [n, C] of both models on the same samples, as the report's "agreement" object, means over
// the samples:
//   single label  {"n", "top1", "kl"}       share of equal predictions, KL(original || pruned) in nats
//   multi label   {"n", "top1", "kl"}       share of equal yes/no decisions, KL summed over labels
//   regression    {"n", "pearson", "spearman", "rmse"}
//   embeddings    {"n", "cosine", "spearman"}   cosine of both embeddings of a text; rank correlation of the
//   cosine similarities
//                 of all pairs of texts
// and for each of top1, kl, spearman and cosine a 95 % interval over the samples in "interval95" (of an
// embedding's spearman there is none).
nlohmann::json Agreement(Task task, const at::Tensor& original, const at::Tensor& pruned);

// The samples whose prediction is another one since pruning, as the report's "flipped" object: {"n": how
// many, "samples": the first kMostFlipped of them, as {"file", "line", "original", "pruned"}}, files and
// lines counted from 1; predictions are class numbers, or for several labels lists of 0 and 1. null for tasks
// without classes.
nlohmann::json FlippedSamples(Task task, const at::Tensor& original, const at::Tensor& pruned,
                              absl::Span<const Sample> samples);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_AGREEMENT_H_
