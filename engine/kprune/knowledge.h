// Knowledge measurement (paper section 4.2): what the model loses with each unit.
//
// Shapes: T tokens of a batch, N sequences, U features of a sublayer, d hidden size, C outputs.
//
// K_pred(i) = 1/|D| sum_x gamma^2 KL(p(x; m) || p(x; m without i)), to second order 1/2 of the Fisher
// information of mask m_i:
//             per sample, d/dm_i = sum over the unit's features and the sample's tokens of z * dL/dz.
// K_rep(i)  = 1/tokens sum_x ||u_i(x)||_F^2 with u_i(x) = z_i W_i^T: for a head trace(Z_i^T Z_i W_i^T W_i),
// for a neuron
//             ||z_i||^2 ||W_i||^2.
// A sublayer that several layers share is one: its mask is the same in all places, and so are both sums over
// them.
//
// Scoring "paper-code" takes both per feature instead, K_rep as a mean over the hidden size, and a head's
// knowledge as the mean over its features.
#ifndef KPRUNE_ENGINE_KPRUNE_KNOWLEDGE_H_
#define KPRUNE_ENGINE_KPRUNE_KNOWLEDGE_H_

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <vector>

#include "engine/model/batch.h"
#include "engine/model/encoder.h"
#include "engine/model/tape.h"
#include "kprune/options.h"

namespace kprune {

// Knowledge of the units of one sublayer.
struct UnitKnowledge {
  std::vector<double> predictive;        // K_pred
  std::vector<double> representational;  // K_rep
};

// Sums the knowledge of some sublayers over batches, with one forward and backward pass a batch (C - 1
// backward passes over C classes) that starts at the input of sublayer `first`. No parameter gets a gradient.
// Not thread-safe.
class KnowledgeAccumulator {
 public:
  // Of `measured`, rising and each the first place of its weights (Encoder::config.OwnSublayers), none below
  // `first`. `encoder` is borrowed and must not change while batches are added, of at most `max_tokens`
  // tokens each. `factors`: see Tape.
  KnowledgeAccumulator(const Encoder& encoder, int first, std::vector<int> measured, const Options& options,
                       int64_t max_tokens, std::vector<PassFactors> factors);

  // x_Td: hidden states at the input of sublayer `first`. teacher_NC: the uncompressed model's outputs, used
  // by "kl-gradient" only (may be undefined otherwise). Batches of one group follow each other.
  void Add(const Batch& batch, const at::Tensor& x_Td, const at::Tensor& teacher_NC, at::Generator& random);

  // Adds what another one has of other batches, whole groups of them.
  void Add(const KnowledgeAccumulator& other);

  // One entry for each sublayer measured.
  std::vector<UnitKnowledge> Result() const;

 private:
  // Sums of one sublayer on the device: float32 within a batch, float64 over batches.
  struct Sums {
    at::Tensor mask_gradient_squared;  // per unit; per feature with "paper-code"
    at::Tensor mask_gradient;          // of a batch's samples, in the places so far of the backward pass
    at::Tensor group_gradient;         // of the group so far, "kl-gradient" only
    at::Tensor feature_gram;           // heads [H, h, h]; neurons [U], the diagonal alone
  };

  std::vector<at::Tensor> Probes(const Batch& batch, const at::Tensor& output_NC,
                                 const at::Tensor& teacher_NC, at::Generator& random) const;
  void AddPredictive(int s, const at::Tensor& mask_gradient_NU, const Batch& batch);
  void AddRepresentational(int s);
  UnitKnowledge Finish(size_t i) const;
  Sums* SumsOf(int s);  // nullptr: not measured

  const Encoder& encoder_;
  const int first_;
  const std::vector<int> measured_;
  const bool paper_code_;
  const bool kl_gradient_;
  const double temperature_;
  Tape tape_;
  std::vector<Sums> sums_;        // of each measured
  std::vector<int64_t> sums_of_;  // of each place from first_: which of these; -1 for none
  int64_t samples_ = 0;
  int64_t tokens_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_KNOWLEDGE_H_
