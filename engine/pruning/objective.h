// What predictive knowledge differentiates: scalars of the model's output whose squared mask gradients,
// summed, are the second order of the output's change (paper section 4.2).
//
// Shapes: N sequences of a batch, C outputs.
#ifndef KPRUNE_ENGINE_PRUNING_OBJECTIVE_H_
#define KPRUNE_ENGINE_PRUNING_OBJECTIVE_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/model/model_config.h"

namespace kprune {

// Classes (labels) up to which the Fisher is exact: C - 1 backward passes (C for independent labels). Beyond,
// kSampledProbes labels, or sign vectors for independent labels, are drawn per sample.
inline constexpr int64_t kMaxExactClasses = 9;
inline constexpr int kSampledProbes = 4;
// Random sign vectors that stand for the C dimensions of an embedding.
inline constexpr int kEmbeddingProbes = 4;

// Scalars s_p, each a sum over the batch's sequences, such that for every sequence and unit mask m
//   sum_p (d s_p / d m)^2 = m's Fisher information of gamma^2 KL(p_gamma || .)   single and multi label
//                         = m's Gauss-Newton curvature of the squared error       regression (exact),
//                         embeddings (in expectation)
// The Fisher over C classes has rank C - 1: two classes need one scalar. `random` decides sampled probes.
std::vector<at::Tensor> FisherProbes(Task task, const at::Tensor& output_NC, double temperature,
                                     at::Generator& random);

// How many scalars FisherProbes gives: the backward passes of a batch.
int NumFisherProbes(Task task, int64_t outputs);

// gamma^2 KL(teacher || student), or the squared error, summed over the batch: the loss whose gradient the
// paper's code squares.
at::Tensor DistillationLoss(Task task, const at::Tensor& output_NC, const at::Tensor& teacher_NC,
                            double temperature);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_OBJECTIVE_H_
