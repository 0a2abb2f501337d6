// Model families as data: where each family keeps its tensors and which config.json keys it uses. A new
// BERT-like family is a new row in family.cc.
#ifndef KPRUNE_ENGINE_MODEL_FAMILY_H_
#define KPRUNE_ENGINE_MODEL_FAMILY_H_

#include <string>
#include <string_view>

namespace kprune {

// Names are relative to the base model: a checkpoint saved with a task head carries `prefix` before them, one
// saved without does not. "%d" in `layer` is the layer index. Every projection has ".weight" [out, in] and
// ".bias" [out].
struct Family {
  const char* model_type;  // config.json "model_type"
  const char* prefix;

  // Classes of transformers: without a task, and for sequence classification. modeling_kprune.py has both.
  const char* base_class;
  const char* classifier_class;

  // config.json keys.
  const char* hidden_size_key;
  const char* num_layers_key;
  const char* num_heads_key;
  const char* intermediate_size_key;
  const char* activation_key;
  bool absolute_positions_only;  // refuse any other "position_embedding_type"

  const char* word_embeddings;
  const char* position_embeddings;
  const char* token_type_embeddings;  // nullptr: the family has none
  const char* embeddings_norm;

  const char* layer;
  const char* query;
  const char* key;
  const char* value;
  const char* attention_out;
  const char* attention_norm;
  const char* ffn_in;
  const char* ffn_out;
  const char* ffn_norm;

  // Sequence classification: classifier(activation(pooler(first token))). Absolute names.
  const char* pooler;
  const char* pooler_activation;  // "tanh" or "relu"
  const char* classifier;
};

// nullptr for an unknown model_type.
const Family* FindFamily(std::string_view model_type);

// "encoder.layer.3.attention.self.query" for (family, 3, family.query).
std::string LayerTensor(const Family& family, int layer, const char* name);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_FAMILY_H_
