// How much a pruned model still says what the original says; needs no labels.
#ifndef KPRUNE_ENGINE_EVALUATION_AGREEMENT_H_
#define KPRUNE_ENGINE_EVALUATION_AGREEMENT_H_

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "engine/model/model_config.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Pairs grow with the square of the texts: the rank correlation of similarities takes this many texts at
// most, the first ones.
inline constexpr int64_t kMaxPairedTexts = 2048;

// Of the outputs [n, C] of both models on the same samples, as the report's "agreement" object, means over
// the samples:
//   single label  {"n", "top1", "kl"}       share of equal predictions, KL(original || pruned) in nats
//   multi label   {"n", "top1", "kl"}       share of equal yes/no decisions, KL summed over labels
//   regression    {"n", "pearson", "spearman", "rmse"}
//   embeddings    {"n", "cosine", "spearman"}   cosine of both embeddings of a text; rank correlation of the
//   cosine similarities
//                 of all pairs of texts
nlohmann::json Agreement(Task task, const at::Tensor& original, const at::Tensor& pruned);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_AGREEMENT_H_
