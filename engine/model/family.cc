#include "engine/model/family.h"

#include <array>
#include <cstdio>

namespace kprune {
namespace {

constexpr std::array kTable = {
    Family{
        .model_type = "bert",
        .prefix = "bert.",
        .base_class = "BertModel",
        .classifier_class = "BertForSequenceClassification",
        .hidden_size_key = "hidden_size",
        .num_layers_key = "num_hidden_layers",
        .num_heads_key = "num_attention_heads",
        .intermediate_size_key = "intermediate_size",
        .activation_key = "hidden_act",
        .absolute_positions_only = true,
        .word_embeddings = "embeddings.word_embeddings.weight",
        .position_embeddings = "embeddings.position_embeddings.weight",
        .token_type_embeddings = "embeddings.token_type_embeddings.weight",
        .embeddings_norm = "embeddings.LayerNorm",
        .layer = "encoder.layer.%d.",
        .query = "attention.self.query",
        .key = "attention.self.key",
        .value = "attention.self.value",
        .attention_out = "attention.output.dense",
        .attention_norm = "attention.output.LayerNorm",
        .ffn_in = "intermediate.dense",
        .ffn_out = "output.dense",
        .ffn_norm = "output.LayerNorm",
        .pooler = "bert.pooler.dense",
        .pooler_activation = "tanh",
        .classifier = "classifier",
    },
    Family{
        .model_type = "distilbert",
        .prefix = "distilbert.",
        .base_class = "DistilBertModel",
        .classifier_class = "DistilBertForSequenceClassification",
        .hidden_size_key = "dim",
        .num_layers_key = "n_layers",
        .num_heads_key = "n_heads",
        .intermediate_size_key = "hidden_dim",
        .activation_key = "activation",
        .absolute_positions_only = false,
        .word_embeddings = "embeddings.word_embeddings.weight",
        .position_embeddings = "embeddings.position_embeddings.weight",
        .token_type_embeddings = nullptr,
        .embeddings_norm = "embeddings.LayerNorm",
        .layer = "transformer.layer.%d.",
        .query = "attention.q_lin",
        .key = "attention.k_lin",
        .value = "attention.v_lin",
        .attention_out = "attention.out_lin",
        .attention_norm = "sa_layer_norm",
        .ffn_in = "ffn.lin1",
        .ffn_out = "ffn.lin2",
        .ffn_norm = "output_layer_norm",
        .pooler = "pre_classifier",
        .pooler_activation = "relu",
        .classifier = "classifier",
    },
};

}  // namespace

const Family* FindFamily(std::string_view model_type) {
  for (const Family& family : kTable) {
    if (model_type == family.model_type) return &family;
  }
  return nullptr;
}

std::string LayerTensor(const Family& family, int layer, const char* name) {
  char prefix[64];
  std::snprintf(prefix, sizeof(prefix), family.layer, layer);
  return std::string(prefix) + name;
}

}  // namespace kprune
