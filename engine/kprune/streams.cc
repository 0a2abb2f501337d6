#include "engine/kprune/streams.h"

#include <ATen/ATen.h>

namespace kprune {

Streams::Streams(const Encoder& teacher, absl::Span<const Batch> batches, bool keep_outputs)
    : teacher_model_(teacher), batches_(batches), teacher_output_(batches.size()) {
  for (size_t k = 0; k < batches.size(); ++k) {
    student_.push_back(teacher.Embed(batches[k]));
    teacher_.push_back(student_.back());
    if (keep_outputs) teacher_output_[k] = teacher.Run(batches[k]);
  }
}

void Streams::AdvanceTeacherToOutput(int t) {
  for (size_t k = 0; k < batches_.size(); ++k) {
    teacher_[k] =
        teacher_model_.PreNorm(t, teacher_[k], teacher_model_.Features(t, teacher_[k], batches_[k]));
  }
}

void Streams::Advance(const Encoder& student, int t) {
  for (size_t k = 0; k < batches_.size(); ++k) {
    student_[k] = student.Forward(t, student_[k], batches_[k]);
    teacher_[k] = teacher_model_.Norm(t, teacher_[k]);
  }
}

double Streams::FractionDone(int t, double within) const {
  const double sublayers = teacher_model_.num_sublayers();
  const auto cost_below = [&](double n) { return n * sublayers - n * (n - 1) / 2; };
  return (cost_below(t) + within * (sublayers - t)) / cost_below(sublayers);
}

}  // namespace kprune
