#include "engine/model/model_config.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"
#include "engine/model/config_error.h"
#include "engine/model/pooling_config.h"
#include "engine/model/task_config.h"
#include "kprune/supported_models.h"

namespace kprune {
namespace {

using nlohmann::json;

// All layers together may have so many heads and neurons: each is listed.
constexpr int64_t kMostUnits = int64_t{1} << 24;

// A positive integer field of at most `max`.
absl::StatusOr<int> ReadCount(const json& config, const char* key, int64_t max) {
  const auto it = config.find(key);
  if (it == config.end()) return ConfigError(absl::StrCat("\"", key, "\" is missing"));
  if (!it->is_number_integer() || *it < 1 || *it > max) {
    return ConfigError(
        absl::StrCat("\"", key, "\" is ", Described(*it), "; accepted is an integer from 1 to ", max));
  }
  return it->get<int>();
}

// ALBERT: layers of a group are one layer that is applied several times.
absl::Status ReadGroups(const json& config, ModelConfig& model) {
  absl::StatusOr<int> groups = ReadCount(config, model.family->groups_key, model.num_layers);
  if (!groups.ok()) return groups.status();
  model.num_groups = *groups;
  const json inner = config.value("inner_group_num", json(1));
  if (inner == 1) return absl::OkStatus();
  return ConfigError(absl::StrCat("\"inner_group_num\" is ", Described(inner), "; accepted is 1"));
}

// The rows of the position table up to that of padding belong to no token.
absl::Status SkipPaddingPositions(const json& config, ModelConfig& model) {
  const json pad = config.value("pad_token_id", json(1));
  if (!pad.is_number_integer() || pad < 0 || pad >= model.max_positions - 1) {
    return ConfigError(absl::StrCat("\"pad_token_id\" is ", Described(pad),
                                    "; accepted is an integer from 0 to ", model.max_positions - 2,
                                    ", after which the positions begin"));
  }
  model.position_offset = pad.get<int>() + 1;
  model.max_positions -= model.position_offset;
  return absl::OkStatus();
}

absl::Status ReadShape(const json& config, ModelConfig& model) {
  const Family& family = *model.family;
  struct Count {
    const char* key;
    int64_t max;
    int* field;
  };
  std::vector<Count> counts = {
      {family.num_layers_key, 1024, &model.num_layers},
      {family.hidden_size_key, 65536, &model.hidden_size},
      {family.num_heads_key, 4096, &model.num_heads},
      {family.intermediate_size_key, 1 << 20, &model.intermediate_size},
  };
  if (family.patches != nullptr) {
    absl::StatusOr<PatchConfig> patches = ReadPatchConfig(config, *family.patches);
    if (!patches.ok()) return patches.status();
    model.patches = *patches;
    model.max_positions = static_cast<int>(patches->tokens());
  } else {
    counts.push_back({"vocab_size", 1 << 26, &model.vocab_size});
    counts.push_back({"max_position_embeddings", 1 << 20, &model.max_positions});
  }
  for (const Count& count : counts) {
    absl::StatusOr<int> value = ReadCount(config, count.key, count.max);
    if (!value.ok()) return value.status();
    *count.field = *value;
  }
  // DeBERTa may say that it has none.
  const bool none =
      family.attention == AttentionKind::kDisentangled && config.value("type_vocab_size", json(0)) == 0;
  if (family.token_type_embeddings != nullptr && !none) {
    absl::StatusOr<int> value = ReadCount(config, "type_vocab_size", 1 << 20);
    if (!value.ok()) return value.status();
    model.type_vocab_size = *value;
  }
  model.has_positions =
      family.position_embeddings != nullptr && (family.attention != AttentionKind::kDisentangled ||
                                                config.value("position_biased_input", json(true)) != false);
  model.embedding_size = model.hidden_size;
  if (family.embedding_size_key != nullptr) {
    absl::StatusOr<int> value = ReadCount(config, family.embedding_size_key, 65536);
    if (!value.ok()) return value.status();
    model.embedding_size = *value;
  }
  if (family.groups_key != nullptr) {
    if (absl::Status status = ReadGroups(config, model); !status.ok()) return status;
  }
  if (family.positions_after_padding) {
    if (absl::Status status = SkipPaddingPositions(config, model); !status.ok()) return status;
  }
  if (model.hidden_size % model.num_heads != 0) {
    return ConfigError(absl::StrCat("\"", family.hidden_size_key, "\" (", model.hidden_size,
                                    ") is not a multiple of \"", family.num_heads_key, "\" (",
                                    model.num_heads, ")"));
  }
  model.head_dim = model.hidden_size / model.num_heads;
  const int64_t units = int64_t{model.num_layers} * (model.num_heads + model.intermediate_size);
  if (units > kMostUnits) {
    return ConfigError(absl::StrCat("all layers together have ", units,
                                    " heads and neurons; accepted are at most ", kMostUnits));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadActivation(const json& config, const char* key, const char* assumed) {
  static constexpr std::array kActivations = {"gelu", "gelu_new", "relu", "silu", "tanh"};
  const json activation = config.value(key, json(assumed));
  const auto is = [&](const char* name) { return activation == name; };
  if (std::any_of(kActivations.begin(), kActivations.end(), is)) return activation.get<std::string>();
  return ConfigError(absl::StrCat("\"", key, "\" is ", Described(activation), "; accepted are ",
                                  absl::StrJoin(kActivations, ", ")));
}

// Whether the biases are there that `key` speaks of; see Biases.
absl::StatusOr<bool> HasBiases(const json& config, const char* key, bool assumed) {
  if (key == nullptr) return true;
  if (*key == '\0') {  // written by us
    const json kprune = config.value("kprune", json::object());
    return kprune.is_object() && kprune.value("biases", json(false)) == true;
  }
  const json value = config.value(key, json(assumed));
  if (!value.is_boolean())
    return ConfigError(absl::StrCat("\"", key, "\" is ", Described(value), "; accepted is true or false"));
  return value.get<bool>();
}

absl::Status ReadBiases(const json& config, ModelConfig& model) {
  const Biases& keys = model.family->biases;
  const TaskHead* head = model.head();
  const struct {
    const char* key;
    bool* field;
  } biases[] = {{keys.qkv, &model.biases.qkv},
                {keys.attention_out, &model.biases.attention_out},
                {keys.ffn_in, &model.biases.ffn_in},
                {keys.ffn_out, &model.biases.ffn_out},
                {keys.norm, &model.biases.norm},
                {head == nullptr ? nullptr : head->bias_key, &model.biases.head_dense}};
  for (const auto& bias : biases) {
    absl::StatusOr<bool> there = HasBiases(config, bias.key, keys.assumed);
    if (!there.ok()) return there.status();
    *bias.field = *there;
  }
  return absl::OkStatus();
}

// What config.json may change of the family's head.
absl::Status ReadHead(const json& config, ModelConfig& model) {
  const TaskHead* head = model.head();
  if (head == nullptr) return absl::OkStatus();
  model.head_activation = head->activation == nullptr ? model.activation : head->activation;
  if (head->activation_key != nullptr) {
    absl::StatusOr<std::string> activation = ReadActivation(config, head->activation_key, head->activation);
    if (!activation.ok()) return activation.status();
    model.head_activation = *std::move(activation);
  }
  if (head->pooling_key == nullptr) return absl::OkStatus();
  const json pooling = config.value(head->pooling_key, json("cls"));
  if (pooling != "cls" && pooling != "mean") {
    return ConfigError(
        absl::StrCat("\"", head->pooling_key, "\" is ", Described(pooling), "; accepted are cls and mean"));
  }
  model.mean_classifier = pooling == "mean";
  return absl::OkStatus();
}

absl::Status ReadDetails(const json& config, ModelConfig& model) {
  const Family& family = *model.family;
  const json eps = config.value(family.norm_eps_key, json(family.norm_eps));
  if (!eps.is_number() || !(eps.get<double>() > 0) || eps.get<double>() > 1) {
    return ConfigError(absl::StrCat("\"", family.norm_eps_key, "\" is ", Described(eps),
                                    "; accepted is a number in (0, 1]"));
  }
  model.layer_norm_eps = eps.get<double>();
  absl::StatusOr<std::string> activation = ReadActivation(config, family.activation_key, "gelu");
  if (!activation.ok()) return activation.status();
  model.activation = *std::move(activation);
  absl::StatusOr<AttentionConfig> attention =
      ReadAttentionConfig(config, family, model.num_layers, model.max_positions);
  if (!attention.ok()) return attention.status();
  model.attention = *std::move(attention);
  const json positions = config.value("position_embedding_type", json("absolute"));
  if (family.absolute_positions_only && positions != "absolute") {
    return ConfigError(
        absl::StrCat("\"position_embedding_type\" is ", Described(positions), "; accepted is \"absolute\""));
  }
  // A decoder's attention is causal, or looks at another model: pruned as an encoder it would be silently
  // wrong.
  for (const char* key : {"is_decoder", "add_cross_attention"}) {
    const json value = config.value(key, json(false));
    if (value != false && !value.is_null()) {
      return ConfigError(
          absl::StrCat("\"", key, "\" is ", Described(value), "; accepted is false: an encoder"));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadLabels(const json& config, ModelConfig& model) {
  model.num_labels = 2;  // what transformers assumes
  if (const auto it = config.find("id2label"); it != config.end()) {
    if (!it->is_object() || it->empty() || it->size() > 1'000'000)
      return ConfigError("\"id2label\" is not an object of labels");
    model.num_labels = static_cast<int>(it->size());
  } else if (config.contains("num_labels")) {
    absl::StatusOr<int> count = ReadCount(config, "num_labels", 1'000'000);
    if (!count.ok()) return count.status();
    model.num_labels = *count;
  }
  const auto it = config.find("label2id");
  if (it == config.end()) return absl::OkStatus();
  if (!it->is_object()) return ConfigError("\"label2id\" is not an object");
  for (const auto& [label, id] : it->items()) {
    if (!id.is_number_integer() || id < 0 || id >= model.num_labels) {
      return ConfigError(absl::StrCat("\"label2id\" maps ", Quoted(label), " to ", Described(id),
                                      "; accepted is 0 to ", model.num_labels - 1));
    }
    model.label2id[label] = id.get<int>();
  }
  return absl::OkStatus();
}

// The kept units of every layer of a model that was pruned before: a list for each that the checkpoint has.
absl::StatusOr<std::vector<std::vector<int64_t>>> ReadKept(const json& kprune, const char* key,
                                                           const ModelConfig& model, int units) {
  const int num_lists = model.num_groups > 0 ? model.num_groups : model.num_layers;
  const auto it = kprune.find(key);
  const absl::Status refusal = ConfigError(
      absl::StrCat("\"kprune.", key, "\" is not ", num_lists, " lists of rising indices below ", units));
  if (it == kprune.end() || !it->is_array() || static_cast<int>(it->size()) != num_lists) return refusal;
  std::vector<std::vector<int64_t>> kept;
  for (const json& layer : *it) {
    if (!layer.is_array()) return refusal;
    int64_t previous = -1;
    kept.emplace_back();
    for (const json& index : layer) {
      if (!index.is_number_integer() || index <= previous || index >= units) return refusal;
      previous = index.get<int64_t>();
      kept.back().push_back(previous);
    }
  }
  std::vector<std::vector<int64_t>> of_layers;
  for (int layer = 0; layer < model.num_layers; ++layer)
    of_layers.push_back(kept[model.LayerOfCheckpoint(layer)]);
  return of_layers;
}

absl::Status ReadUnits(const json& config, ModelConfig& model) {
  const auto kprune = config.find("kprune");
  if (kprune == config.end()) {
    std::vector<int64_t> heads(model.num_heads), neurons(model.intermediate_size);
    std::iota(heads.begin(), heads.end(), 0);
    std::iota(neurons.begin(), neurons.end(), 0);
    model.heads.assign(model.num_layers, heads);
    model.neurons.assign(model.num_layers, neurons);
    return absl::OkStatus();
  }
  if (!kprune->is_object()) return ConfigError("\"kprune\" is not an object");
  auto heads = ReadKept(*kprune, "kept_heads", model, model.num_heads);
  if (!heads.ok()) return heads.status();
  auto neurons = ReadKept(*kprune, "kept_neurons", model, model.intermediate_size);
  if (!neurons.ok()) return neurons.status();
  model.heads = *std::move(heads);
  model.neurons = *std::move(neurons);
  return absl::OkStatus();
}

}  // namespace

std::optional<Pooling> ParsePooling(std::string_view name) {
  static constexpr std::pair<std::string_view, Pooling> kNames[] = {{"mean", Pooling::kMean},
                                                                    {"cls", Pooling::kCls},
                                                                    {"last-token", Pooling::kLastToken},
                                                                    {"max", Pooling::kMax},
                                                                    {"mean-sqrt-len", Pooling::kMeanSqrtLen}};
  for (const auto& [own, pooling] : kNames) {
    if (own == name) return pooling;
  }
  return std::nullopt;
}

const TaskHead* ModelConfig::head() const {
  switch (task) {
    case Task::kSingleLabel:
    case Task::kMultiLabel:
    case Task::kRegression:
      if (with_teacher) return &family->image_classification_with_teacher;
      return patches ? &family->image_classification : &family->sequence_classification;
    case Task::kTokenClassification:
      return &family->token_classification;
    case Task::kQuestionAnswering:
      return &family->question_answering;
    case Task::kMaskedLm:
      return &family->masked_lm;
    case Task::kMultipleChoice:
      return &family->multiple_choice;
    case Task::kEmbedding:
      break;
  }
  return nullptr;
}

std::vector<int> ModelConfig::PlacesOf(int t) const {
  if (!shares_layers) return {t};
  std::vector<int> places;
  for (int layer = 0; layer < num_layers; ++layer) {
    if (LayerOfCheckpoint(layer) == LayerOfCheckpoint(t / 2)) places.push_back(2 * layer + t % 2);
  }
  return places;
}

std::vector<int> ModelConfig::OwnSublayers() const {
  std::vector<int> own;
  for (int t = 0; t < 2 * static_cast<int>(heads.size()); ++t) {
    if (PlacesOf(t).front() == t) own.push_back(t);
  }
  return own;
}

std::vector<std::string> ModelConfig::label_names() const {
  std::vector<std::string> names;
  for (int label = 0; label < num_labels; ++label) names.push_back(absl::StrCat("LABEL_", label));
  for (const auto& [name, id] : label2id) {
    if (id < num_labels) names[id] = name;
  }
  return names;
}

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& folder, const Options& options) {
  absl::StatusOr<json> config = ReadJsonFile(folder + "/config.json");
  if (!config.ok()) return config.status();
  if (!config->is_object()) return ConfigError("is not an object");
  ModelConfig model;
  const json model_type = config->value("model_type", json());
  if (model_type.is_string()) model.family = FindFamily(model_type.get<std::string>());
  if (model.family == nullptr) {
    return ConfigError(absl::StrCat("\"model_type\" is ", Described(model_type), "; accepted are ",
                                    absl::StrJoin(kFamilies, ", ")));
  }
  absl::StatusOr<ModulesConfig> modules = ReadModules(folder);
  if (!modules.ok()) return modules.status();
  // What is refused is not read on: later steps count on earlier ones.
  absl::Status status = ReadShape(*config, model);
  if (status.ok()) status = ReadDetails(*config, model);
  if (status.ok()) status = ReadLabels(*config, model);
  if (status.ok()) status = SettleTask(*config, options.task, modules->present, model);
  if (status.ok()) status = ReadBiases(*config, model);
  if (status.ok()) status = ReadHead(*config, model);
  if (status.ok()) status = ReadUnits(*config, model);
  if (!status.ok()) return status;
  if (model.task == Task::kEmbedding) {
    const bool first = model.patches && !modules->present;
    model.pooling = ParsePooling(options.pooling).value_or(first ? Pooling::kCls : modules->pooling);
  }
  model.normalize = options.normalize.value_or(modules->normalize);
  const bool grouped = model.num_groups > 0 && model.num_groups < model.num_layers;
  if (options.unshare_layers && !grouped) {
    return absl::InvalidArgumentError(
        "options.unshare_layers is true, accepted is false: the layers of this model share no weights");
  }
  model.shares_layers = grouped && !options.unshare_layers;
  model.max_sequence =
      modules->max_sequence > 0 ? std::min(modules->max_sequence, model.max_positions) : model.max_positions;
  model.json = *std::move(config);
  return model;
}

}  // namespace kprune
