// A short training of a pruned model to give the outputs and hidden states of the original: without labels,
// for budgets so small that closed-form refits leave something to gain.
#ifndef KPRUNE_ENGINE_DISTILLATION_DISTILLATION_H_
#define KPRUNE_ENGINE_DISTILLATION_DISTILLATION_H_

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/encoder.h"

namespace kprune {

struct DistillationOptions {
  int steps = 600;
  int64_t sequences = 32;  // of a step
  int variants =
      4;  // of every sample, others in every round over them: what is seen once cannot be learnt by heart
  // AdamW: a rate that warms up over 5 % of the steps and falls as a cosine; weight decay; the gradient's
  // norm is clipped at 1.
  double learning_rate = 2e-4;
  double weight_decay = 0.01;
  double temperature = 2;  // of the divergence from the teacher's outputs
  uint32_t seed = 0;       // of the order of the samples and of the variants
};

// Trains all weights of `student`'s sublayers, projections and norms, on `samples` and variants of them: the
// loss of a step is the divergence of the outputs (gamma^2 KL, or the squared error relative to the teacher's
// variance) plus the mean over the layers of the squared error of the hidden states relative to their
// variance. `teacher`'s projections may have a 16-bit type; `student` is float32 and so is the result,
// rounded to the checkpoint's types. Embeddings and task head stay. Memory: the activations of one step and
// three times the student's weights. Deterministic for the same device and number of threads.
//
// progress(share of the steps that is done) is called before every step and ends the training with Cancelled
// where it returns false. Internal where the loss is not finite.
absl::StatusOr<Encoder> Distill(const Encoder& teacher, const Encoder& student,
                                absl::Span<const Sample> samples, const DistillationOptions& options,
                                const std::function<bool(double)>& progress);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DISTILLATION_DISTILLATION_H_
