#include "engine/model/output_rows.h"

#include <ATen/ATen.h>

namespace kprune {

std::vector<int64_t> RowOffsets(Task task, absl::Span<const Sample> samples) {
  std::vector<int64_t> offsets = {0};
  for (const Sample& sample : samples) offsets.push_back(offsets.back() + OutputRows(task, sample));
  return offsets;
}

at::Tensor RowsOfBatch(absl::Span<const int64_t> offsets, const Batch& batch) {
  std::vector<int64_t> rows;
  for (const int64_t i : batch.samples) {
    for (int64_t row = offsets[i]; row < offsets[i + 1]; ++row) rows.push_back(row);
  }
  return at::tensor(rows, at::kLong);
}

std::vector<int64_t> SoftmaxOffsets(Task task, absl::Span<const Sample> samples) {
  if (task == Task::kQuestionAnswering) return RowOffsets(task, samples);
  if (task != Task::kMultipleChoice) return {};
  std::vector<int64_t> offsets;
  for (size_t i = 0; i < samples.size(); ++i) {
    if (i == 0 || samples[i].choice == 0) offsets.push_back(static_cast<int64_t>(i));
  }
  offsets.push_back(static_cast<int64_t>(samples.size()));
  return offsets;
}

absl::Span<const int64_t> SoftmaxOffsets(Task task, const Batch& batch) {
  if (task == Task::kQuestionAnswering) return batch.row_offsets;
  if (task == Task::kMultipleChoice) return batch.sample_offsets;
  return {};
}

}  // namespace kprune
