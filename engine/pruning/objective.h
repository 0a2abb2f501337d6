// What predictive knowledge differentiates: scalars of the model's output whose squared mask gradients,
// summed, are the second order of the output's change (paper section 4.2).
//
// Shapes: N rows of outputs, C outputs each. Rows are sequences, or tokens of them (OutputRows of
// engine/model/output_rows.h).
#ifndef KPRUNE_ENGINE_PRUNING_OBJECTIVE_H_
#define KPRUNE_ENGINE_PRUNING_OBJECTIVE_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/types/span.h"
#include "engine/model/model_config.h"

namespace kprune {

// Classes (labels) up to which the Fisher is exact: C - 1 backward passes (C for independent labels). Beyond,
// kSampledProbes labels, or sign vectors for independent labels, are drawn per sample.
inline constexpr int64_t kMaxExactClasses = 9;
inline constexpr int kSampledProbes = 4;
inline constexpr int kUsualChoices = 4;
// Random sign vectors that stand for the C dimensions of an embedding.
inline constexpr int kEmbeddingProbes = 4;

// Scalars s_p, each a sum over the batch's samples, such that for every sample and unit mask m
//   sum_p (d s_p / d m)^2 = m's Fisher information of gamma^2 KL(p_gamma || .)   single and multi label,
//                         multiple choice
//                         = m's Gauss-Newton curvature of the squared error       regression (exact),
//                         embeddings (in expectation)
// The Fisher over C classes has rank C - 1: two classes need one scalar. `random` decides sampled probes.
//
// A sample with several distributions (one for each token, or start and end of an answer) has the sum of
// their Fisher informations, in expectation: with labels y_t drawn independently from p_t,
//   E[(d sum_t log p_t(y_t) / dm)^2] = sum_t E[(d log p_t(y_t) / dm)^2],
// as E[d log p_t(y_t) / dm] = 0 makes what is between two tokens vanish.
//
// `offsets`: the rows at which the softmaxes over rows begin, and their end: of questions [N + 1] over
// tokens, of multiple choice over choices (SoftmaxOffsets of engine/model/output_rows.h). Not read for other
// tasks.
std::vector<at::Tensor> FisherProbes(Task task, const at::Tensor& output_NC, double temperature,
                                     at::Generator& random, absl::Span<const int64_t> offsets = {});

// How many scalars FisherProbes gives: the backward passes of a batch; of multiple choice, with as many
// choices as is usual.
int NumFisherProbes(Task task, int64_t outputs);

// gamma^2 KL(teacher || student), or the squared error, summed over the batch: the loss whose gradient the
// paper's code squares. `offsets` as above.
at::Tensor DistillationLoss(Task task, const at::Tensor& output_NC, const at::Tensor& teacher_NC,
                            double temperature, absl::Span<const int64_t> offsets = {});

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_OBJECTIVE_H_
