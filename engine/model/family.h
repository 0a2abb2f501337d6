// Model families as data: where each family keeps its tensors and which config.json keys it uses. A new
// BERT-like family is a new row in family.cc.
#ifndef KPRUNE_ENGINE_MODEL_FAMILY_H_
#define KPRUNE_ENGINE_MODEL_FAMILY_H_

#include <string>
#include <string_view>

namespace kprune {

// The layers above the encoder for one task: output(norm(activation(dense(x)))), in which dense, with its
// activation, and norm may be missing. Absolute names.
struct TaskHead {
  const char* dense = nullptr;
  const char* activation = nullptr;  // "tanh", "relu", "gelu"
  const char* output = nullptr;
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
  bool absolute_positions_only = true;       // refuse any other "position_embedding_type"

  // Whether a token's position is pad_token_id + 1 + its place in the sequence: the first rows of the
  // position table are not used then.
  bool positions_after_padding = false;

  const char* word_embeddings = "embeddings.word_embeddings.weight";
  const char* position_embeddings = "embeddings.position_embeddings.weight";
  const char* token_type_embeddings = "embeddings.token_type_embeddings.weight";  // nullptr: has none
  const char* embeddings_norm = "embeddings.LayerNorm";
  // From the width of the embeddings to hidden_size, where they differ; nullptr: has none.
  const char* embeddings_projection = nullptr;

  const char* layer = "encoder.layer.%d.";
  const char* query = "attention.self.query";
  const char* key = "attention.self.key";
  const char* value = "attention.self.value";
  const char* attention_out = "attention.output.dense";
  const char* attention_norm = "attention.output.LayerNorm";
  const char* ffn_in = "intermediate.dense";
  const char* ffn_out = "output.dense";
  const char* ffn_norm = "output.LayerNorm";

  TaskHead sequence_classification;  // of first tokens
};

// nullptr for an unknown model_type.
const Family* FindFamily(std::string_view model_type);

// "encoder.layer.3.attention.self.query" for (family, 3, family.query).
std::string LayerTensor(const Family& family, int layer, const char* name);

// Classes of transformers, which modeling_kprune.py has, too: without a task "BertModel", and with one
// "BertForSequenceClassification".
std::string BaseClass(const Family& family);
std::string ClassForTask(const Family& family, std::string_view task);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_FAMILY_H_
