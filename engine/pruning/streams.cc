#include "engine/pruning/streams.h"

#include <ATen/ATen.h>

namespace kprune {

absl::StatusOr<Streams> Streams::Create(const Encoder& teacher, int64_t tokens, Place place,
                                        const std::string& directory) {
  const int64_t width = teacher.config.hidden_size;
  const at::Device device = teacher.device();
  auto student_states = HiddenStates::Create(tokens, width, device, place, directory);
  if (!student_states.ok()) return student_states.status();
  auto teacher_states = HiddenStates::Create(tokens, width, device, place, directory);
  if (!teacher_states.ok()) return teacher_states.status();
  return Streams(teacher, *std::move(student_states), *std::move(teacher_states));
}

absl::Status Streams::Embed(const Batch& batch) {
  const at::Tensor x_Td = teacher_model_->Embed(batch);
  if (absl::Status status = student_->Write(batch.begin, x_Td); !status.ok()) return status;
  return teacher_->Write(batch.begin, x_Td);
}

absl::StatusOr<at::Tensor> Streams::student(const Batch& batch) const {
  return student_->Read(batch.begin, batch.end());
}

absl::StatusOr<at::Tensor> Streams::teacher(const Batch& batch) const {
  return teacher_->Read(batch.begin, batch.end());
}

absl::Status Streams::SetStudent(const Batch& batch, const at::Tensor& x_Td) {
  return student_->Write(batch.begin, x_Td);
}

absl::StatusOr<at::Tensor> Streams::AdvanceTeacherToOutput(int t, const Batch& batch) {
  return teacher_->Update(batch.begin, batch.end(), [&](at::Tensor& x_Td) {
    teacher_model_->PutPreNorm(t, x_Td, teacher_model_->Features(t, x_Td, batch), x_Td);
  });
}

absl::Status Streams::Advance(const Encoder& student, int t, const Batch& batch, const at::Tensor& z_TU) {
  const auto past = [&](at::Tensor& x_Td) {
    student.PutFinish(t, x_Td, z_TU.defined() ? z_TU : student.Features(t, x_Td, batch), x_Td);
  };
  const auto normalise = [&](at::Tensor& y_Td) { teacher_model_->NormInPlace(t, y_Td); };
  if (absl::Status status = student_->Update(batch.begin, batch.end(), past).status(); !status.ok())
    return status;
  return teacher_->Update(batch.begin, batch.end(), normalise).status();
}

}  // namespace kprune
