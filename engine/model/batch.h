// Ragged batches: the tokens of several sequences one after the other, without padding.
//
// Shapes: T tokens of the batch, N sequences, S length of the longest one, d features.
#ifndef KPRUNE_ENGINE_MODEL_BATCH_H_
#define KPRUNE_ENGINE_MODEL_BATCH_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/data/samples.h"

namespace kprune {

// Everything that a forward pass needs of its sequences. Immutable after construction.
struct Batch {
  std::vector<int64_t> samples;  // [N] index of each sequence in the sample set
  std::vector<int64_t> offsets;  // [N + 1] where each sequence begins; offsets[N] == T
  at::Tensor offsets_device;     // the same, int64 on the device
  at::Tensor input_ids_T;        // int64
  at::Tensor token_type_ids_T;   // int64
  at::Tensor positions_T;        // int64, 0 at the start of every sequence
  at::Tensor slots_T;            // int64: the place n * S + s of each token in the padded layout
  at::Tensor mask_N11S;  // float32, 0 for tokens and -inf for padding; undefined when nothing is padded
  int64_t longest = 0;   // S

  int64_t size() const { return static_cast<int64_t>(samples.size()); }
  int64_t tokens() const { return offsets.back(); }
  bool padded() const { return mask_N11S.defined(); }

  // [T, d] to [N, S, d], padding filled with zeros; a view when nothing is padded. Unpad is its inverse. Both
  // are differentiable and deterministic.
  at::Tensor Pad(const at::Tensor& x_Td) const;
  at::Tensor Unpad(const at::Tensor& x_NSd) const;
};

// Cuts `samples` into batches of at most `batch_size` sequences, by rising length (order "length", ties in
// file order) or as they stand in the file (order "file"), and puts them on `device`.
std::vector<Batch> MakeBatches(absl::Span<const Sample> samples, int batch_size, const std::string& order,
                               at::Device device);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_BATCH_H_
