// What config.json and the sentence-transformers modules say about a model.
#ifndef KPRUNE_ENGINE_MODEL_MODEL_CONFIG_H_
#define KPRUNE_ENGINE_MODEL_MODEL_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/model/attention_config.h"
#include "engine/model/family.h"
#include "engine/model/patch_config.h"
#include "engine/model/task.h"
#include "kprune/options.h"
#include "nlohmann/json.hpp"

namespace kprune {

// How an embedding is made of a sequence's token states.
enum class Pooling {
  kMean,
  kCls,          // the first token's
  kLastToken,    // the last token's that is no padding
  kMax,          // the largest of every dimension
  kMeanSqrtLen,  // their sum, divided by the square root of their number
};

// "mean" and so on, one of kPoolings; nothing for "auto".
std::optional<Pooling> ParsePooling(std::string_view name);

struct ModelConfig {
  const Family* family = nullptr;  // static storage
  Task task = Task::kSingleLabel;
  Pooling pooling = Pooling::kMean;  // of kEmbedding; a classifier's is the mean, if it has one
  bool normalize = false;            // of kEmbedding: scale to length 1

  int num_layers = 0;
  int num_groups = 0;          // of layers that share their weights in the checkpoint; 0: each has its own
  bool shares_layers = false;  // whether they go on to share them: one layer, applied several times
  int hidden_size = 0;
  int embedding_size = 0;  // width of the embeddings: hidden_size where the family has no other
  int head_dim = 0;
  int num_heads = 0;          // of the original model, a layer
  int intermediate_size = 0;  // of the original model
  int vocab_size = 0;
  int max_positions = 0;    // tokens of the longest sequence
  int position_offset = 0;  // rows of the position table before that of a first token
  int max_sequence =
      0;  // longest sequence that texts are cut to: max_positions, or less where a sentence encoder says so
  bool has_positions = true;  // a table of them
  int type_vocab_size = 0;    // 0: no token types
  int num_labels = 0;         // outputs of the task head; hidden_size for kEmbedding
  double layer_norm_eps = 1e-12;
  std::optional<PatchConfig> patches;  // nothing: it looks at text
  AttentionConfig attention;
  // Which biases the checkpoint has; without one it is zeros here.
  struct {
    bool qkv = true, attention_out = true, ffn_in = true, ffn_out = true, norm = true, head_dense = true;
  } biases;
  std::string head_activation;              // of the head's dense layer
  bool mean_classifier = false;             // the head reads the mean of all tokens, not the first one
  bool with_teacher = false;                // the head reads the first two tokens
  std::string activation;                   // "gelu", "gelu_new", "relu" or "silu"
  std::map<std::string, int> label2id;      // may be empty
  std::vector<std::vector<int64_t>> heads;  // per layer, the indices of the original heads that are there
  std::vector<std::vector<int64_t>> neurons;

  nlohmann::json json;  // config.json as it was read

  bool projects_embeddings() const {
    return embedding_size != hidden_size || (family != nullptr && family->projects_embeddings_always);
  }
  // The place among the checkpoint's layers of what `layer` computes with: its own, or its group's.
  int LayerOfCheckpoint(int layer) const {
    return num_groups > 0 ? static_cast<int>(int64_t{layer} * num_groups / num_layers) : layer;
  }
  // Where the weights of sublayer t are applied, rising: t alone, or all sublayers that share them.
  std::vector<int> PlacesOf(int t) const;
  // The sublayers that are the first to apply their weights, rising: what there is to prune.
  std::vector<int> OwnSublayers() const;
  // Whether feed-forward units are products of an activated neuron and another.
  bool gated() const { return family != nullptr && family->gated_ffn; }

  // The layers above the encoder; nullptr for kEmbedding. Static storage.
  const TaskHead* head() const;
  // Whether the task looks at the first token of every sequence alone.
  bool reads_first_tokens() const {
    if (task == Task::kEmbedding) return pooling == Pooling::kCls;
    return !HasTokenOutputs(task) && !mean_classifier && !with_teacher;
  }

  // The public name of the task, one of kTasks.
  const char* task_name() const { return names().name; }
  const TaskNames& names() const { return NamesOf(task, patches.has_value()); }

  // Of the classes, in their order: "LABEL_3" for one that label2id does not name. Of tasks with num_labels.
  std::vector<std::string> label_names() const;
};

// Reads config.json (and modules.json with its pooling, where present) of a Hugging Face folder and settles
// the task from `options` (task, pooling, normalize). Errors: InvalidArgument with one sentence that names
// the file and the field.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& folder, const Options& options);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_MODEL_CONFIG_H_
