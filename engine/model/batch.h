// Ragged batches: the tokens of several sequences one after the other, without padding.
//
// Shapes: T tokens of the batch, N sequences of G samples (a multiple-choice sample has several), S length of
// the longest sequence, R tokens whose outputs count, d features.
#ifndef KPRUNE_ENGINE_MODEL_BATCH_H_
#define KPRUNE_ENGINE_MODEL_BATCH_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/data/samples.h"

namespace kprune {

// No limit to the tokens of a batch, or to the sequences of a group.
inline constexpr int64_t kAnyNumber = std::numeric_limits<int64_t>::max();

// Everything that a forward pass needs of its sequences. Immutable after construction.
struct Batch {
  std::vector<int64_t> samples;         // [N] index of each sequence in the sample set
  std::vector<int64_t> offsets;         // [N + 1] where each sequence begins; offsets[N] == T
  std::vector<int64_t> sample_offsets;  // [G + 1] the sequence at which each sample begins
  at::Tensor sample_of_N;               // int64 on the device: its sample; undefined where N == G
  at::Tensor positions_R;  // int64 on the device: Sample::positions among the T tokens; undefined: all tokens
  std::vector<int64_t> row_offsets;  // [N + 1] where each sequence begins among these; row_offsets[N] == R
  at::Tensor samples_device;         // [N] int64 on the device
  at::Tensor offsets_device;         // [N + 1] int64 on the device
  at::Tensor input_ids_T;            // int64
  at::Tensor token_type_ids_T;       // int64
  std::vector<std::shared_ptr<const Image>> images;  // [N] pictures in place of ids and types; or none
  at::Tensor positions_T;                            // int64, 0 at the start of every sequence
  at::Tensor slots_T;    // int64: the place n * S + s of each token in the padded layout
  at::Tensor mask_N11S;  // float32, 0 for tokens and -inf for padding; undefined when nothing is padded
  int64_t longest = 0;   // S

  // Where the batch stands among all: rows of tokens before it, and its group of sequences.
  int64_t begin = 0;
  int64_t group_size = 0;     // samples of the group, this batch's and its neighbours'
  bool closes_group = false;  // no batch of the group follows

  int64_t end() const { return begin + tokens(); }
  int64_t size() const { return static_cast<int64_t>(samples.size()); }
  int64_t num_samples() const { return static_cast<int64_t>(sample_offsets.size()) - 1; }
  int64_t tokens() const { return offsets.back(); }
  bool padded() const { return mask_N11S.defined(); }

  // The pictures' pixel values [N, channels, height, width], float32 on the device.
  at::Tensor Pixels() const;

  // [T, d] to [N, S, d], padding filled with zeros; a view when nothing is padded. Unpad is its inverse. Both
  // are differentiable and deterministic.
  at::Tensor Pad(const at::Tensor& x_Td) const;
  at::Tensor Unpad(const at::Tensor& x_NSd) const;
};

// Cuts `samples` into groups of `group_size`, by rising length (order "length", ties in file order) or as
// they stand in the file (order "file"), and each group into batches of at most `max_tokens` tokens, but at
// least one sample; puts them on `device`. These are as few batches as that allows, or the next multiple of
// `multiple` where samples can be cut so, and about equally large. The order of the sequences does not depend
// on the batches. The choices of a multiple-choice sample are one sample here: their sequences stay together,
// in their order.
std::vector<Batch> MakeBatches(absl::Span<const Sample> samples, int64_t group_size, const std::string& order,
                               at::Device device, int64_t max_tokens = kAnyNumber, int64_t multiple = 1);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_BATCH_H_
