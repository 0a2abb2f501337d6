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
  absl::StatusOr<at::Tensor> x_Td = teacher_->Read(batch.begin, batch.end());
  if (!x_Td.ok()) return x_Td.status();
  at::Tensor y_Td = teacher_model_->PreNorm(t, *x_Td, teacher_model_->Features(t, *x_Td, batch));
  if (absl::Status status = teacher_->Write(batch.begin, y_Td); !status.ok()) return status;
  return y_Td;
}

absl::Status Streams::Advance(const Encoder& student, int t, const Batch& batch, const at::Tensor& z_TU) {
  absl::StatusOr<at::Tensor> x_Td = student_->Read(batch.begin, batch.end());
  if (!x_Td.ok()) return x_Td.status();
  const at::Tensor output_Td =
      student.Finish(t, *x_Td, z_TU.defined() ? z_TU : student.Features(t, *x_Td, batch));
  if (absl::Status status = student_->Write(batch.begin, output_Td); !status.ok()) return status;
  absl::StatusOr<at::Tensor> y_Td = teacher_->Read(batch.begin, batch.end());
  if (!y_Td.ok()) return y_Td.status();
  return teacher_->Write(batch.begin, teacher_model_->Norm(t, *y_Td));
}

}  // namespace kprune
