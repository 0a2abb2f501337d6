#include "engine/model/family.h"

#include <array>
#include <cstdio>

namespace kprune {
namespace {

constexpr TaskHead kBertLmHead = {.dense = "cls.predictions.transform.dense",
                                  .norm = "cls.predictions.transform.LayerNorm",
                                  .tied_bias = "cls.predictions.bias"};
constexpr TaskHead kRobertaLmHead = {.dense = "lm_head.dense",
                                     .activation = "gelu",
                                     .norm = "lm_head.layer_norm",
                                     .tied_bias = "lm_head.bias"};

constexpr TaskHead kModernHead = {.dense = "head.dense",
                                  .activation = "gelu",
                                  .output = "classifier",
                                  .norm = "head.norm",
                                  .activation_key = "classifier_activation",
                                  .bias_key = "classifier_bias"};
constexpr TaskHead kModernHeadOfSequences = {.dense = "head.dense",
                                             .activation = "gelu",
                                             .output = "classifier",
                                             .norm = "head.norm",
                                             .activation_key = "classifier_activation",
                                             .bias_key = "classifier_bias",
                                             .pooling_key = "classifier_pooling"};

constexpr Family Roberta(const char* model_type, const char* class_prefix) {
  return {
      .model_type = model_type,
      .class_prefix = class_prefix,
      .prefix = "roberta.",
      .positions_after_padding = true,
      .sequence_classification = {"classifier.dense", "tanh", "classifier.out_proj"},
      .masked_lm = kRobertaLmHead,
      .multiple_choice = {"roberta.pooler.dense", "tanh", "classifier"},
  };
}

constexpr PatchTensors kVitPatches;
constexpr PatchTensors kDeitPatches = {.distillation_token = "embeddings.distillation_token"};

// Pre-LN, of images.
constexpr Family Vit(const char* model_type, const char* class_prefix, const char* prefix,
                     const PatchTensors& patches, const TaskHead& with_teacher) {
  return {
      .model_type = model_type,
      .class_prefix = class_prefix,
      .prefix = prefix,
      .position_embeddings = "embeddings.position_embeddings",
      .token_type_embeddings = nullptr,
      .embeddings_norm = nullptr,
      .patches = &patches,
      .query = "attention.attention.query",
      .key = "attention.attention.key",
      .value = "attention.attention.value",
      .attention_norm = "layernorm_before",
      .ffn_norm = "layernorm_after",
      .final_norm = "layernorm",
      .norm_first = true,
      .biases = {.assumed = true, .qkv = "qkv_bias"},
      .token_classification = {},
      .question_answering = {},
      .image_classification = {.output = "classifier"},
      .image_classification_with_teacher = with_teacher,
  };
}

// A row is what differs from BERT, which is what the fields say by themselves.
constexpr std::array kTable = {
    Family{
        .model_type = "albert",
        .class_prefix = "Albert",
        .prefix = "albert.",
        .embedding_size_key = "embedding_size",
        .embeddings_projection = "encoder.embedding_hidden_mapping_in",
        .projects_embeddings_always = true,
        .layer = "encoder.albert_layer_groups.%d.albert_layers.0.",
        .groups_key = "num_hidden_groups",
        .query = "attention.query",
        .key = "attention.key",
        .value = "attention.value",
        .attention_out = "attention.dense",
        .attention_norm = "attention.LayerNorm",
        .ffn_in = "ffn",
        .ffn_out = "ffn_output",
        .ffn_norm = "full_layer_layer_norm",
        .sequence_classification = {"albert.pooler", "tanh", "classifier"},
        .masked_lm = {.dense = "predictions.dense",
                      .norm = "predictions.LayerNorm",
                      .tied_bias = "predictions.bias"},
        .multiple_choice = {"albert.pooler", "tanh", "classifier"},
    },
    Family{
        .model_type = "bert",
        .class_prefix = "Bert",
        .prefix = "bert.",
        .sequence_classification = {"bert.pooler.dense", "tanh", "classifier"},
        .masked_lm = kBertLmHead,
        .multiple_choice = {"bert.pooler.dense", "tanh", "classifier"},
    },
    Roberta("camembert", "Camembert"),
    Vit("deit", "DeiT", "deit.", kDeitPatches,
        {.output = "cls_classifier", .second_output = "distillation_classifier"}),
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
        .masked_lm = {.dense = "vocab_transform",
                      .norm = "vocab_layer_norm",
                      .tied_bias = "vocab_projector.bias"},
        .multiple_choice = {"pre_classifier", "relu", "classifier"},
    },
    Family{
        .model_type = "electra",
        .class_prefix = "Electra",
        .prefix = "electra.",
        .embedding_size_key = "embedding_size",
        .embeddings_projection = "embeddings_project",
        .sequence_classification = {"classifier.dense", "gelu", "classifier.out_proj"},
        .masked_lm = {.dense = "generator_predictions.dense",
                      .activation = "gelu",
                      .norm = "generator_predictions.LayerNorm",
                      .tied_bias = "generator_lm_head.bias"},
        .multiple_choice = {.dense = "sequence_summary.summary",
                            .activation = "gelu",
                            .output = "classifier",
                            .activation_key = "summary_activation"},
    },
    Family{
        .model_type = "deberta-v2",
        .class_prefix = "DebertaV2",
        .prefix = "deberta.",
        .norm_eps = 1e-7,
        .query = "attention.self.query_proj",
        .key = "attention.self.key_proj",
        .value = "attention.self.value_proj",
        .attention = AttentionKind::kDisentangled,
        .sequence_classification = {.dense = "pooler.dense",
                                    .activation = "gelu",
                                    .output = "classifier",
                                    .activation_key = "pooler_hidden_act"},
        .masked_lm = kBertLmHead,
        .multiple_choice = {.dense = "pooler.dense",
                            .activation = "gelu",
                            .output = "classifier",
                            .activation_key = "pooler_hidden_act"},
    },
    Family{
        .model_type = "gte",
        .class_prefix = "Gte",
        .prefix = "gte.",
        .position_embeddings = nullptr,
        .attention_out = "attention.o_proj",
        .attention_norm = "attn_ln",
        .ffn_in = "mlp.up_gate_proj",
        .ffn_out = "mlp.down_proj",
        .ffn_norm = "mlp_ln",
        .qkv = "attention.qkv_proj",
        .gated_ffn = true,
        .gate_last = true,
        .attention = AttentionKind::kRotary,
        .biases = {.ffn_in = ""},
        .sequence_classification = {"gte.pooler.dense", "tanh", "classifier"},
        .question_answering = {},
        .masked_lm = {.dense = "lm_head.dense",
                      .activation = "gelu",
                      .norm = "lm_head.norm",
                      .tied_bias = "lm_head.decoder.bias"},
    },
    Family{
        .model_type = "modernbert",
        .class_prefix = "ModernBert",
        .prefix = "model.",
        .activation_key = "hidden_activation",
        .norm_eps_key = "norm_eps",
        .norm_eps = 1e-5,
        .word_embeddings = "embeddings.tok_embeddings.weight",
        .position_embeddings = nullptr,
        .token_type_embeddings = nullptr,
        .embeddings_norm = "embeddings.norm",
        .layer = "layers.%d.",
        .attention_out = "attn.Wo",
        .attention_norm = "attn_norm",
        .ffn_in = "mlp.Wi",
        .ffn_out = "mlp.Wo",
        .ffn_norm = "mlp_norm",
        .qkv = "attn.Wqkv",
        .final_norm = "final_norm",
        .norm_first = true,
        .first_attention_norm_missing = true,
        .gated_ffn = true,
        .attention = AttentionKind::kRotaryOrLocal,
        .biases = {.qkv = "attention_bias",
                   .attention_out = "attention_bias",
                   .ffn_in = "mlp_bias",
                   .ffn_out = "mlp_bias",
                   .norm = "norm_bias"},
        .sequence_classification = kModernHeadOfSequences,
        .token_classification = kModernHead,
        .question_answering = kModernHead,
        .masked_lm = {.dense = "head.dense",
                      .activation = "gelu",
                      .norm = "head.norm",
                      .activation_key = "classifier_activation",
                      .bias_key = "classifier_bias",
                      .tied_bias = "decoder.bias"},
        .multiple_choice = kModernHeadOfSequences,
    },
    Family{
        .model_type = "mpnet",
        .class_prefix = "MPNet",
        .prefix = "mpnet.",
        .positions_after_padding = true,
        .token_type_embeddings = nullptr,
        .query = "attention.attn.q",
        .key = "attention.attn.k",
        .value = "attention.attn.v",
        .attention_out = "attention.attn.o",
        .attention_norm = "attention.LayerNorm",
        .attention = AttentionKind::kPositionBias,
        .sequence_classification = {"classifier.dense", "tanh", "classifier.out_proj"},
        .masked_lm = kRobertaLmHead,
        .multiple_choice = {"mpnet.pooler.dense", "tanh", "classifier"},
    },
    Family{
        .model_type = "nomic_bert",
        .class_prefix = "NomicBert",
        .prefix = "nomic_bert.",
        .position_embeddings = nullptr,
        .embeddings_norm = "emb_ln",
        .layer = "encoder.layers.%d.",
        .attention_out = "attn.out_proj",
        .attention_norm = "norm1",
        .ffn_in = "mlp.fc11",
        .ffn_out = "mlp.fc2",
        .ffn_norm = "norm2",
        .qkv = "attn.Wqkv",
        .ffn_gate = "mlp.fc12",
        .gated_ffn = true,
        .attention = AttentionKind::kRotary,
        .biases = {.qkv = "", .attention_out = "", .ffn_in = "", .ffn_out = ""},
        .sequence_classification = {"nomic_bert.pooler.dense", "tanh", "classifier"},
        .question_answering = {},
        .masked_lm = {.dense = "cls.predictions.transform.dense",
                      .norm = "cls.predictions.transform.layer_norm",
                      .tied_bias = "cls.predictions.bias"},
    },
    Roberta("roberta", "Roberta"),
    Vit("vit", "ViT", "vit.", kVitPatches, {}),
    Roberta("xlm-roberta", "XLMRoberta"),
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
