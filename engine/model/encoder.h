// An encoder = embeddings + 2L sublayers + task head, as plain tensors and functions.
//
// Shapes: T tokens of a ragged batch, N sequences (of token tasks: tokens that count), d hidden size, U
// features of a sublayer (heads * head_dim, or neurons), C outputs of the task head. Weights never require a
// gradient. Hidden states, embeddings, norms and the head are float32; the projections of the sublayers have
// the compute type, float32 or bfloat16, and so have features.
//
// Sublayer t of 2L (paper section 3): attention of layer t / 2 when t is even, feed-forward when t is odd:
//   z = Features(x)                 what feeds the output projection: context vectors, or activated neurons
//   y = PreNorm(x, z) = x + z W^T + b
//   x' = Norm(y)                    post-LN families; pre-LN families normalise x on the way to z instead
#ifndef KPRUNE_ENGINE_MODEL_ENCODER_H_
#define KPRUNE_ENGINE_MODEL_ENCODER_H_

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/types/span.h"
#include "engine/model/batch.h"
#include "engine/model/model_config.h"
#include "engine/model/steps.h"
#include "kprune/progress.h"
#include "kprune/tensor_source.h"

namespace kprune {

struct Linear {
  at::Tensor weight;  // [out, in]
  at::Tensor bias;    // [out]

  at::Tensor operator()(const at::Tensor& x) const;
};

// DeBERTa's relative positions: embeddings that every layer projects to keys and to queries of its own, or
// with the key and query blocks of its `in`, where these two are undefined.
struct RelativePositions {
  at::Tensor embeddings_Rd;  // undefined: none
  bool as_keys = false, as_queries = false;
  Linear key, query;  // [U, d]
};

// The two halves of its rows in the other order.
Linear SwappedBlocks(const Linear& linear);

struct Sublayer {
  SublayerKind kind = SublayerKind::kAttention;
  int layer = 0;
  int64_t unit_width = 1;      // features of one unit: head_dim, or 1
  std::vector<int64_t> units;  // indices of its units in the original model, rising
  Linear in;       // attention: query, key and value one below the other, [3U, d]; feed-forward: [U, d]
  Linear out;      // [d, U]
  LayerNorm norm;  // without a weight: none
  DType stored_type =
      DType::kF32;          // of the output projection in the checkpoint: what tuned weights are rounded to
  bool norm_first = false;  // pre-LN: `norm` is of the sublayer's input
  bool gated = false;       // feed-forward: z = activation(a) b of two blocks of `in`
  AttentionForm form;       // but for its position_key and position_query, which attention() adds
  RelativePositions positions;

  int64_t num_units() const { return static_cast<int64_t>(units.size()); }
  int64_t num_features() const { return num_units() * unit_width; }
  // Blocks of U rows that `in` consists of.
  int64_t in_blocks() const { return kind == SublayerKind::kAttention ? 3 : gated ? 2 : 1; }
  // The attention with everything that it needs.
  AttentionForm attention() const;
};

// Which units of a sublayer stay: rising positions among its present units.
using Selection = std::vector<int64_t>;

// Copies share their tensors; no function here writes to a tensor, so a copy stays what it was when the
// original's sublayers are replaced. Const methods are thread-safe.
class Encoder {
 public:
  ModelConfig config;

  at::Tensor word_embeddings;        // [vocab, e], e the width of the embeddings, mostly d
  at::Tensor position_embeddings;    // [position_offset + positions, e], or undefined
  at::Tensor token_type_embeddings;  // [types, e], or undefined
  LayerNorm embeddings_norm;         // undefined of images, whose positions are [tokens, d]
  Linear embeddings_projection;      // to d, where the embeddings are of another width; else undefined
  Linear patch_projection;           // of images, [d, channels, patch height, patch width]; else undefined
  at::Tensor class_tokens;           // of images, [before the patches, d]; else undefined
  std::vector<Sublayer> sublayers;   // 2L
  LayerNorm final_norm;              // of what the last sublayer gives, in pre-LN families; else undefined
  Linear head_dense;                 // where the task's head has one
  LayerNorm head_norm;               // where the task's head has one
  // Undefined for kEmbedding; its weight may be the word embeddings, and is [C, 2d] where the head reads two
  // tokens.
  Linear head_output;

  int num_sublayers() const { return static_cast<int>(sublayers.size()); }

  at::Tensor Embed(const Batch& batch) const;                                       // [T, d]
  at::Tensor Features(int t, const at::Tensor& x_Td, const Batch& batch) const;     // [T, U]
  at::Tensor PreNorm(int t, const at::Tensor& x_Td, const at::Tensor& z_TU) const;  // [T, d]
  at::Tensor Norm(int t, const at::Tensor& y_Td) const;                             // [T, d]
  at::Tensor Finish(int t, const at::Tensor& x_Td, const at::Tensor& z_TU) const;   // Norm of PreNorm
  at::Tensor Forward(int t, const at::Tensor& x_Td, const Batch& batch) const;      // one sublayer
  // The same, put where it is to be, which may be x_Td itself.
  void PutPreNorm(int t, const at::Tensor& x_Td, const at::Tensor& z_TU, at::Tensor& to_Td) const;
  void PutFinish(int t, const at::Tensor& x_Td, const at::Tensor& z_TU, at::Tensor& to_Td) const;
  void NormInPlace(int t, const at::Tensor& y_Td) const;
  // The task head: logits, or (pooled, normalised) embeddings.
  at::Tensor Output(const at::Tensor& x_Td, const Batch& batch) const;  // [N, C]

  // Whether the task head sees the first token of every sequence alone.
  bool reads_first_tokens() const;
  // What the input projection of sublayer t multiplies, given the hidden states.
  at::Tensor Input(int t, const at::Tensor& x_Td) const;

  // The task head of the rows R that it reads, the first tokens [N, d] or all [T, d]; differentiable.
  at::Tensor Head(const at::Tensor& x_Rd, const Batch& batch) const;  // [N, C]

  // The whole model.
  at::Tensor Run(const Batch& batch) const;  // [N, C]

  // What follows changes sublayer t wherever its weights are applied (ModelConfig::PlacesOf).

  // Removes every unit of sublayer t but `keep`.
  void Keep(int t, const Selection& keep);

  // Puts `sublayer`, of the same shape but for its units, in the place of sublayer t.
  void Put(int t, const Sublayer& sublayer);

  // Puts `in`, [in_blocks x features of t, d], in the place of the input projection of sublayer t, in its
  // compute type.
  void ReplaceInput(int t, const Linear& in);

  // Puts `out`, [d, features of t], in the place of the output projection of sublayer t, in its compute type.
  void ReplaceOutput(int t, const Linear& out);

  // The same encoder with the projections of all sublayers in `type`.
  Encoder WithComputeType(at::ScalarType type) const;

  // Whether callers say the types of tokens: a table of one type is a constant.
  bool takes_token_types() const { return config.type_vocab_size > 1; }

  // Where the weights are, and the type of hidden states there.
  at::Device device() const;
  at::TensorOptions hidden_options() const;

  // Number of values in all weights of this encoder; what places share is counted once.
  int64_t num_parameters() const;

 private:
  at::Tensor EmbedImages(const Batch& batch) const;  // [T, d]
};

// The rows of x [T, d] that are first tokens, [N, d].
at::Tensor FirstTokens(const at::Tensor& x_Td, const Batch& batch);

// Positions of the features that belong to the units `keep`, as an int64 tensor [keep.size() * unit_width].
at::Tensor FeaturesOf(const Selection& keep, int64_t unit_width, at::Device device);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_ENCODER_H_
