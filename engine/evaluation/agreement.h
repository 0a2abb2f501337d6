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

// Neighbours of a text that are looked for again.
inline constexpr int64_t kNearest = 10;

// The most samples that FlippedSamples lists.
inline constexpr int kMostFlipped = 100;

// Of the outputs of both models on the same samples (RunSamples), as the report's "agreement" object, means
// over the samples, n lines of the data:
//   single label  {"n", "top1", "kl"}       share of equal predictions, KL(original || pruned) in nats
//   multi label   {"n", "top1", "kl"}       share of equal yes/no decisions, KL summed over labels
//   choices       {"n", "top1", "kl"}       as of a single label
//   questions     {"n", "top1", "kl"}       share of equal answers, KL of their starts and ends together
//   tokens        {"n", "tokens", "top1", "kl"}   share of tokens with equal predictions, KL of a token
//   regression    {"n", "pearson", "spearman", "rmse"}
//   embeddings    {"n", "cosine", "spearman"}   cosine of both embeddings of a text; rank correlation of the
//                 similarities of all pairs. Of more than kNearest texts also "recall_at_10": of the kNearest
//                 others that are nearest to a text by the original's embeddings, the share that is among as
//                 many by the pruned model's; and "recall_at_10_old_index": by the pruned model's embedding
//                 of the text and the original's of all others, as if an index of vectors stayed
// and for each of top1, kl, spearman, cosine and recalls a 95 % interval over the samples in "interval95" (of
// an embedding's spearman there is none). `samples` may be left out for tasks with one output for every
// sample.
nlohmann::json Agreement(Task task, const at::Tensor& original, const at::Tensor& pruned,
                         absl::Span<const Sample> samples = {});

// The samples whose prediction is another one since pruning, as the report's "flipped" object: {"n": how
// many, "samples": the first kMostFlipped of them, as {"file", "line", "original", "pruned"}}, files and
// lines counted from 1; predictions are class numbers, or for several labels lists of 0 and 1, the number of
// a choice, the text of an answer, or of those tokens alone that are predicted otherwise lists of class
// numbers (at "tokens", counted from 0). null for tasks without classes.
nlohmann::json FlippedSamples(Task task, const at::Tensor& original, const at::Tensor& pruned,
                              absl::Span<const Sample> samples);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_AGREEMENT_H_
