// The two streams of hidden states at the target sublayer: everything below it is final, so nothing below is
// computed again.
//
// Shapes: T tokens of a batch, d hidden size, U features.
#ifndef KPRUNE_ENGINE_PRUNING_STREAMS_H_
#define KPRUNE_ENGINE_PRUNING_STREAMS_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/model/batch.h"
#include "engine/model/encoder.h"
#include "engine/pruning/hidden_states.h"

namespace kprune {

// Hidden states of every token, in the order of the batches: the student's at the input of the target, and
// the teacher's at the same place or, between AdvanceTeacherToOutput and Advance, at the target's output
// before the norm. Whichever batches cut the tokens up, the rows stay the same. Not thread-safe, but threads
// may read at once on a CPU. Errors are those of HiddenStates.
class Streams {
 public:
  // `teacher` is borrowed. `directory` is where the streams live when `place` says file.
  static absl::StatusOr<Streams> Create(const Encoder& teacher, int64_t tokens, Place place,
                                        const std::string& directory);

  // Puts both streams at the embeddings of a batch's tokens.
  absl::Status Embed(const Batch& batch);

  absl::StatusOr<at::Tensor> student(const Batch& batch) const;  // X_S [T, d]
  absl::StatusOr<at::Tensor> teacher(const Batch& batch) const;  // X_T [T, d], or Y_T

  // Moves the teacher's tokens of a batch from the input of sublayer t to its output before the norm, which
  // it returns.
  absl::StatusOr<at::Tensor> AdvanceTeacherToOutput(int t, const Batch& batch);  // Y_T [T, d]

  // Moves the student's tokens of a batch to x_Td, wherever that is.
  absl::Status SetStudent(const Batch& batch, const at::Tensor& x_Td);

  // Moves the student's tokens of a batch through the finished sublayer t and the teacher's through the norm:
  // both then stand at the input of t + 1. z_TU: the student's features there, or undefined.
  absl::Status Advance(const Encoder& student, int t, const Batch& batch, const at::Tensor& z_TU);

 private:
  Streams(const Encoder& teacher, std::unique_ptr<HiddenStates> student_states,
          std::unique_ptr<HiddenStates> teacher_states)
      : teacher_model_(&teacher), student_(std::move(student_states)), teacher_(std::move(teacher_states)) {}

  const Encoder* teacher_model_;
  std::unique_ptr<HiddenStates> student_;
  std::unique_ptr<HiddenStates> teacher_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_STREAMS_H_
