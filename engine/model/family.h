// Model families as data: where each family keeps its tensors and which config.json keys it uses. A new
// BERT-like family is a new row in family.cc.
#ifndef KPRUNE_ENGINE_MODEL_FAMILY_H_
#define KPRUNE_ENGINE_MODEL_FAMILY_H_

#include <string>
#include <string_view>
#include <vector>

namespace kprune {

// The layers above the encoder for one task: output(norm(activation(dense(x)))), in which dense, with its
// activation, and norm may be missing. Absolute names.
struct TaskHead {
  const char* dense = nullptr;
  const char* activation = nullptr;  // "tanh", "relu", "gelu"; nullptr: that of the feed-forward sublayers
  const char* output = nullptr;
  const char* norm = nullptr;
  const char* activation_key = nullptr;  // of config.json, where it may name another activation
  const char* bias_key = nullptr;        // of dense: see Biases
  const char* pooling_key = nullptr;     // of config.json: "cls", which is assumed without a key, or "mean"
  // The bias of an output whose weight are the word embeddings, in place of `output`.
  const char* tied_bias = nullptr;
  // DeiT: of the second token; what the model gives is the mean of both outputs.
  const char* second_output = nullptr;
};

// config.json keys that say whether projections and norms have biases; nullptr: they always have, "": never.
struct Biases {
  bool assumed = false;  // where a key is not there
  const char* qkv = nullptr;
  const char* attention_out = nullptr;
  const char* ffn_in = nullptr;
  const char* ffn_out = nullptr;
  const char* norm = nullptr;
};

// What a family's attention has beside BERT's, see AttentionForm.
enum class AttentionKind {
  kPlain,
  kPositionBias,   // MPNet: a bias for each head and bucket of distances, shared by all layers
  kDisentangled,   // DeBERTa: relative positions that are keys and queries
  kRotary,         // queries and keys are turned by their places
  kRotaryOrLocal,  // ModernBERT: the same, and most layers see a window
};

// Tensors of MPNet and DeBERTa; those of a layer are named from the layer.
inline constexpr char kPositionBias[] = "encoder.relative_attention_bias.weight";
inline constexpr char kRelativeEmbeddings[] = "encoder.rel_embeddings.weight";
inline constexpr char kRelativeNorm[] = "encoder.LayerNorm";
inline constexpr char kPositionKey[] = "attention.self.pos_key_proj";
inline constexpr char kPositionQuery[] = "attention.self.pos_query_proj";

// Where a family that looks at images has what makes tokens of them: patches through a convolution without
// overlaps, behind learned tokens.
struct PatchTensors {
  const char* projection = "embeddings.patch_embeddings.projection";
  const char* class_token = "embeddings.cls_token";
  const char* distillation_token = nullptr;  // nullptr: has none

  std::vector<const char*> class_tokens() const {
    if (distillation_token == nullptr) return {class_token};
    return {class_token, distillation_token};
  }
};

// Names are relative to the base model: a checkpoint saved with a task head carries `prefix` before them, one
// saved without does not. "%d" in `layer` is the layer index. Every projection has ".weight" [out, in] and
// ".bias" [out].
struct Family {
  const char* model_type;    // config.json "model_type"
  const char* class_prefix;  // of its classes in transformers: "Bert" of BertModel
  const char* prefix;

  // config.json keys.
  const char* hidden_size_key = "hidden_size";
  const char* num_layers_key = "num_hidden_layers";
  const char* num_heads_key = "num_attention_heads";
  const char* intermediate_size_key = "intermediate_size";
  const char* activation_key = "hidden_act";
  const char* embedding_size_key = nullptr;  // width of the embeddings; nullptr: hidden_size
  const char* norm_eps_key = "layer_norm_eps";
  double norm_eps = 1e-12;              // where config.json has none
  bool absolute_positions_only = true;  // refuse any other "position_embedding_type"

  // Whether a token's position is pad_token_id + 1 + its place in the sequence: the first rows of the
  // position table are not used then.
  bool positions_after_padding = false;

  const char* word_embeddings = "embeddings.word_embeddings.weight";
  const char* position_embeddings = "embeddings.position_embeddings.weight";      // nullptr: has none
  const char* token_type_embeddings = "embeddings.token_type_embeddings.weight";  // nullptr: has none
  const char* embeddings_norm = "embeddings.LayerNorm";                           // nullptr: has none
  // From the width of the embeddings to hidden_size, where they differ; nullptr: has none.
  const char* embeddings_projection = nullptr;
  const PatchTensors* patches = nullptr;    // of one that looks at images, which has no word embeddings
  bool projects_embeddings_always = false;  // also where they do not

  const char* layer = "encoder.layer.%d.";
  const char* groups_key = nullptr;  // layers share their weights in groups, which `layer` counts
  const char* query = "attention.self.query";
  const char* key = "attention.self.key";
  const char* value = "attention.self.value";
  const char* attention_out = "attention.output.dense";
  const char* attention_norm = "attention.output.LayerNorm";
  const char* ffn_in = "intermediate.dense";
  const char* ffn_out = "output.dense";
  const char* ffn_norm = "output.LayerNorm";

  const char* qkv = nullptr;  // query, key and value one below the other, instead of these
  const char* ffn_gate =
      nullptr;  // of gated units: what is activated, where `ffn_in` has the other half alone
  const char* final_norm = nullptr;

  bool norm_first = false;  // pre-LN: attention_norm and ffn_norm are of a sublayer's input
  bool first_attention_norm_missing = false;
  bool gated_ffn = false;  // activation(a) b; `ffn_in` has a and b one below the other
  bool gate_last = false;  // ... or b and a
  AttentionKind attention = AttentionKind::kPlain;
  Biases biases;

  // A head without an output: the family has no such models.
  TaskHead sequence_classification;  // of first tokens
  TaskHead token_classification = {.output = "classifier"};
  TaskHead question_answering = {.output = "qa_outputs"};
  TaskHead masked_lm;
  TaskHead multiple_choice;                    // of first tokens
  TaskHead image_classification;               // of first tokens
  TaskHead image_classification_with_teacher;  // of first and second tokens, in a class of that name
};

// nullptr for an unknown model_type.
const Family* FindFamily(std::string_view model_type);

// "encoder.layer.3.attention.self.query" for (family, 3, family.query).
std::string LayerTensor(const Family& family, int layer, const char* name);

// Classes of transformers, which modeling_kprune.py has, too: without a task "BertModel", and with one
// "BertForSequenceClassification".
std::string BaseClass(const Family& family);
std::string ClassForTask(const Family& family, std::string_view task);

// What the name of such a class ends with where two tokens are read.
inline constexpr char kWithTeacher[] = "WithTeacher";

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_FAMILY_H_
