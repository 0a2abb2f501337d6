#include "engine/model/family.h"

#include <array>
#include <cstdio>

namespace kprune {
namespace {

// A row is what differs from BERT, which is what the fields say by themselves.
constexpr std::array kTable = {
    Family{
        .model_type = "bert",
        .class_prefix = "Bert",
        .prefix = "bert.",
        .sequence_classification = {"bert.pooler.dense", "tanh", "classifier"},
    },
    Family{
        .model_type = "camembert",
        .class_prefix = "Camembert",
        .prefix = "roberta.",
        .positions_after_padding = true,
        .sequence_classification = {"classifier.dense", "tanh", "classifier.out_proj"},
    },
    Family{
        .model_type = "distilbert",
        .class_prefix = "DistilBert",
        .prefix = "distilbert.",
        .hidden_size_key = "dim",
        .num_layers_key = "n_layers",
        .num_heads_key = "n_heads",
        .intermediate_size_key = "hidden_dim",
        .activation_key = "activation",
        .absolute_positions_only = false,
        .token_type_embeddings = nullptr,
        .layer = "transformer.layer.%d.",
        .query = "attention.q_lin",
        .key = "attention.k_lin",
        .value = "attention.v_lin",
        .attention_out = "attention.out_lin",
        .attention_norm = "sa_layer_norm",
        .ffn_in = "ffn.lin1",
        .ffn_out = "ffn.lin2",
        .ffn_norm = "output_layer_norm",
        .sequence_classification = {"pre_classifier", "relu", "classifier"},
    },
    Family{
        .model_type = "electra",
        .class_prefix = "Electra",
        .prefix = "electra.",
        .embedding_size_key = "embedding_size",
        .embeddings_projection = "embeddings_project",
        .sequence_classification = {"classifier.dense", "gelu", "classifier.out_proj"},
    },
    Family{
        .model_type = "roberta",
        .class_prefix = "Roberta",
        .prefix = "roberta.",
        .positions_after_padding = true,
        .sequence_classification = {"classifier.dense", "tanh", "classifier.out_proj"},
    },
    Family{
        .model_type = "xlm-roberta",
        .class_prefix = "XLMRoberta",
        .prefix = "roberta.",
        .positions_after_padding = true,
        .sequence_classification = {"classifier.dense", "tanh", "classifier.out_proj"},
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

std::string BaseClass(const Family& family) { return std::string(family.class_prefix) + "Model"; }

std::string ClassForTask(const Family& family, std::string_view task) {
  return std::string(family.class_prefix) + "For" + std::string(task);
}

}  // namespace kprune
