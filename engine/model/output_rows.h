// Which rows a model's outputs have: one for each sequence or, of token tasks, for each token that counts.
#ifndef KPRUNE_ENGINE_MODEL_OUTPUT_ROWS_H_
#define KPRUNE_ENGINE_MODEL_OUTPUT_ROWS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/model/batch.h"
#include "engine/model/model_config.h"

namespace kprune {

// Rows of one sequence's outputs.
inline int64_t OutputRows(Task task, const Sample& sample) {
  if (!HasTokenOutputs(task)) return 1;
  return sample.positions.empty() ? sample.tokens() : static_cast<int64_t>(sample.positions.size());
}

// The first row of every sequence, and their number: [n + 1].
std::vector<int64_t> RowOffsets(Task task, absl::Span<const Sample> samples);

// The rows of a batch's sequences among those of all samples, whose RowOffsets are `offsets`; in the batch's
// order, int64 on the CPU.
at::Tensor RowsOfBatch(absl::Span<const int64_t> offsets, const Batch& batch);

// Where softmaxes over rows begin (objective.h): at every sequence of questions, at every sample of multiple
// choice; for other tasks nothing.
std::vector<int64_t> SoftmaxOffsets(Task task, absl::Span<const Sample> samples);
absl::Span<const int64_t> SoftmaxOffsets(Task task, const Batch& batch);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_OUTPUT_ROWS_H_
