// The two streams of hidden states at the target sublayer: everything below it is final, so nothing below is
// computed again.
//
// Shapes: T tokens of a batch, d hidden size, N sequences, C outputs.
#ifndef KPRUNE_ENGINE_KPRUNE_STREAMS_H_
#define KPRUNE_ENGINE_KPRUNE_STREAMS_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/types/span.h"
#include "engine/model/batch.h"
#include "engine/model/encoder.h"

namespace kprune {

// For every batch: the student's hidden states at the input of the target, and the teacher's at the same
// place or, between AdvanceTeacherToOutput and Advance, at the target's output before the norm. Borrows the
// teacher and the batches. Not thread-safe.
class Streams {
 public:
  // Both streams start at the embeddings. `keep_outputs` also computes the teacher's outputs of all batches.
  Streams(const Encoder& teacher, absl::Span<const Batch> batches, bool keep_outputs);

  absl::Span<const Batch> batches() const { return batches_; }
  const at::Tensor& student(size_t k) const { return student_[k]; }                // X_S [T, d]
  const at::Tensor& teacher(size_t k) const { return teacher_[k]; }                // Y_T [T, d]
  const at::Tensor& teacher_output(size_t k) const { return teacher_output_[k]; }  // [N, C], or undefined

  // Moves the teacher's stream from the input of sublayer t to its output before the norm.
  void AdvanceTeacherToOutput(int t);

  // Moves the student's stream through the finished sublayer t and the teacher's through the norm: both then
  // stand at the input of t + 1.
  void Advance(const Encoder& student, int t);

  // Share of all the work that is done when `within` of the measurement of sublayer t is: measuring sublayer
  // t costs the 2L - t sublayers that remain.
  double FractionDone(int t, double within) const;

 private:
  const Encoder& teacher_model_;
  const absl::Span<const Batch> batches_;
  std::vector<at::Tensor> student_;
  std::vector<at::Tensor> teacher_;
  std::vector<at::Tensor> teacher_output_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_KPRUNE_STREAMS_H_
