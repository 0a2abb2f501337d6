#include "engine/model/model_folder.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/checkpoint.h"
#include "engine/formats/safetensors.h"
#include "engine/model/attention_tables.h"
#include "engine/model/tensor_conversion.h"
#include "engine/model/vector_functions.h"

namespace kprune {
namespace {

bool HasAttentionNorm(const Family& family, int layer) {
  return layer > 0 || !family.first_attention_norm_missing;
}

struct Expected {
  std::string name;
  std::vector<int64_t> shape;
};

// Every tensor that the configuration calls for, with its shape.
class ExpectedTensors {
 public:
  explicit ExpectedTensors(const ModelFolder& folder)
      : folder_(folder), config_(folder.config), family_(*folder.config.family) {}

  std::vector<Expected> All() {
    Embeddings();
    for (int layer = 0; layer < config_.num_layers; ++layer) {
      Attention(layer);
      FeedForward(layer);
    }
    if (family_.final_norm != nullptr) Norm(folder_.Name(family_.final_norm), config_.hidden_size);
    Head();
    return std::move(expected_);
  }

 private:
  void Linear(const std::string& name, int64_t out, int64_t in, bool bias = true) {
    expected_.push_back({name + ".weight", {out, in}});
    if (bias) expected_.push_back({name + ".bias", {out}});
  }

  void Norm(const std::string& name, int64_t width) {
    expected_.push_back({name + ".weight", {width}});
    if (config_.biases.norm) expected_.push_back({name + ".bias", {width}});
  }

  void Patches(const PatchConfig& patches) {
    const PatchTensors& names = *family_.patches;
    const int64_t d = config_.hidden_size;
    const std::string projection = folder_.Name(names.projection);
    expected_.push_back(
        {projection + ".weight", {d, patches.image.channels, patches.patch_height, patches.patch_width}});
    expected_.push_back({projection + ".bias", {d}});
    for (const char* name : names.class_tokens()) expected_.push_back({folder_.Name(name), {1, 1, d}});
    expected_.push_back({folder_.Name(family_.position_embeddings), {1, patches.tokens(), d}});
  }

  void Embeddings() {
    if (config_.patches) return Patches(*config_.patches);
    const int64_t d = config_.hidden_size, e = config_.embedding_size;
    expected_.push_back({folder_.Name(family_.word_embeddings), {config_.vocab_size, e}});
    if (config_.has_positions) {
      expected_.push_back(
          {folder_.Name(family_.position_embeddings), {config_.position_offset + config_.max_positions, e}});
    }
    if (config_.type_vocab_size > 0)
      expected_.push_back({folder_.Name(family_.token_type_embeddings), {config_.type_vocab_size, e}});
    Norm(folder_.Name(family_.embeddings_norm), e);
    if (config_.projects_embeddings()) Linear(folder_.Name(family_.embeddings_projection), d, e);
    if (family_.attention == AttentionKind::kPositionBias)
      expected_.push_back({folder_.Name(kPositionBias), {config_.attention.span, config_.num_heads}});
    if (family_.attention == AttentionKind::kDisentangled) {
      expected_.push_back({folder_.Name(kRelativeEmbeddings), {2 * config_.attention.span, d}});
      if (config_.attention.normalized) Norm(folder_.Name(kRelativeNorm), d);
    }
  }

  void Attention(int layer) {
    const int64_t d = config_.hidden_size;
    const int64_t features = static_cast<int64_t>(config_.heads[layer].size()) * config_.head_dim;
    if (family_.qkv != nullptr) {
      Linear(folder_.Layer(layer, family_.qkv), 3 * features, d, config_.biases.qkv);
    } else {
      for (const char* name : {family_.query, family_.key, family_.value})
        Linear(folder_.Layer(layer, name), features, d, config_.biases.qkv);
    }
    if (config_.attention.as_keys && !config_.attention.shared_projections)
      Linear(folder_.Layer(layer, kPositionKey), features, d);
    if (config_.attention.as_queries && !config_.attention.shared_projections)
      Linear(folder_.Layer(layer, kPositionQuery), features, d);
    Linear(folder_.Layer(layer, family_.attention_out), d, features, config_.biases.attention_out);
    if (HasAttentionNorm(family_, layer)) Norm(folder_.Layer(layer, family_.attention_norm), d);
  }

  void FeedForward(int layer) {
    const int64_t d = config_.hidden_size, neurons = static_cast<int64_t>(config_.neurons[layer].size());
    const bool bias = config_.biases.ffn_in, fused = config_.gated() && family_.ffn_gate == nullptr;
    if (family_.ffn_gate != nullptr) Linear(folder_.Layer(layer, family_.ffn_gate), neurons, d, bias);
    Linear(folder_.Layer(layer, family_.ffn_in), fused ? 2 * neurons : neurons, d, bias);
    Linear(folder_.Layer(layer, family_.ffn_out), d, neurons, config_.biases.ffn_out);
    Norm(folder_.Layer(layer, family_.ffn_norm), d);
  }

  void Head() {
    const TaskHead* head = config_.head();
    if (head == nullptr) return;
    const bool tied = head->tied_bias != nullptr;
    const int64_t d = config_.hidden_size, width = tied ? config_.embedding_size : d;
    if (head->dense != nullptr) Linear(head->dense, width, d, config_.biases.head_dense);
    if (head->norm != nullptr) Norm(head->norm, width);
    if (tied) expected_.push_back({head->tied_bias, {config_.num_labels}});
    if (!tied) Linear(head->output, config_.num_labels, d);
    if (head->second_output != nullptr) Linear(head->second_output, config_.num_labels, d);
  }

  const ModelFolder& folder_;
  const ModelConfig& config_;
  const Family& family_;
  std::vector<Expected> expected_;
};

absl::Status CheckTensor(const ModelFolder& folder, const Expected& expected) {
  const TensorView* tensor = folder.tensors->Find(expected.name);
  if (tensor == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("the checkpoint has no tensor ", expected.name, ", which config.json (model_type ",
                     folder.config.family->model_type, ", task ", folder.config.task_name(), ") calls for"));
  }
  if (tensor->shape != expected.shape) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", expected.name, " has shape [", absl::StrJoin(tensor->shape, ", "),
                     "], but config.json calls for [", absl::StrJoin(expected.shape, ", "), "]"));
  }
  if (tensor->dtype != DType::kF32 && tensor->dtype != DType::kF16 && tensor->dtype != DType::kBF16) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", expected.name, " has type ",
                                                   std::string(DTypeName(tensor->dtype)),
                                                   "; accepted are F32, F16 and BF16"));
  }
  return absl::OkStatus();
}

// Reads weights of one folder to one device, remembering the first failure.
class WeightReader {
 public:
  WeightReader(const ModelFolder& folder, at::Device device) : folder_(folder), device_(device) {}

  at::Tensor Tensor(const std::string& name) {
    at::Tensor value = ToFloatTensor(*folder_.tensors->Find(name));
    if (status_.ok() && !at::isfinite(value).all().item<bool>()) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " holds NaN or infinity; accepted are finite weights"));
    }
    return value.to(device_);
  }
  // The bias is zeros where the checkpoint has none.
  kprune::Linear Linear(const std::string& name, bool bias = true) {
    const at::Tensor weight = Tensor(name + ".weight");
    return {weight, bias ? Tensor(name + ".bias") : at::zeros({weight.size(0)}, weight.options())};
  }
  LayerNorm Norm(const std::string& name) {
    const kprune::Linear norm = Linear(name, folder_.config.biases.norm);
    return {norm.weight, norm.bias, folder_.config.layer_norm_eps};
  }
  // Blocks one below the other.
  kprune::Linear Stacked(const std::vector<std::string>& names, bool bias) {
    std::vector<at::Tensor> weights, biases;
    for (const std::string& name : names) {
      const kprune::Linear block = Linear(name, bias);
      weights.push_back(block.weight);
      biases.push_back(block.bias);
    }
    return {at::cat(weights), at::cat(biases)};
  }
  DType StoredType(const std::string& name) const { return folder_.tensors->Find(name)->dtype; }
  const absl::Status& status() const { return status_; }

 private:
  const ModelFolder& folder_;
  const at::Device device_;
  absl::Status status_;
};

// Names of the input projection's blocks.
std::vector<std::string> InputNames(const ModelFolder& folder, int layer, SublayerKind kind) {
  const Family& family = *folder.config.family;
  std::vector<const char*> names = {family.ffn_in};
  if (kind == SublayerKind::kAttention) {
    names = {family.query, family.key, family.value};
    if (family.qkv != nullptr) names = {family.qkv};
  } else if (family.ffn_gate != nullptr) {
    names = {family.ffn_gate, family.ffn_in};
  }
  std::vector<std::string> result;
  for (const char* name : names) result.push_back(folder.Layer(layer, name));
  return result;
}

RelativePositions ReadRelativePositions(const ModelFolder& folder, int layer, const at::Tensor& embeddings_Rd,
                                        WeightReader& weights) {
  const AttentionConfig& config = folder.config.attention;
  RelativePositions positions{embeddings_Rd, config.as_keys, config.as_queries, {}, {}};
  if (config.shared_projections) return positions;
  if (config.as_keys) positions.key = weights.Linear(folder.Layer(layer, kPositionKey));
  if (config.as_queries) positions.query = weights.Linear(folder.Layer(layer, kPositionQuery));
  return positions;
}

// DeBERTa's table of relative positions, as all layers take it; else undefined.
at::Tensor ReadRelativeEmbeddings(const ModelFolder& folder, WeightReader& weights) {
  if (folder.config.family->attention != AttentionKind::kDisentangled) return {};
  const at::Tensor embeddings_Rd = weights.Tensor(folder.Name(kRelativeEmbeddings));
  if (!folder.config.attention.normalized) return embeddings_Rd;
  return weights.Norm(folder.Name(kRelativeNorm))(embeddings_Rd);
}

Sublayer ReadAttention(const ModelFolder& folder, int layer, WeightReader& weights) {
  const ModelConfig& config = folder.config;
  const Family& family = *config.family;
  return {.kind = SublayerKind::kAttention,
          .layer = layer,
          .unit_width = config.head_dim,
          .units = config.heads[layer],
          .in = weights.Stacked(InputNames(folder, layer, SublayerKind::kAttention), config.biases.qkv),
          .out = weights.Linear(folder.Layer(layer, family.attention_out), config.biases.attention_out),
          .norm = HasAttentionNorm(family, layer) ? weights.Norm(folder.Layer(layer, family.attention_norm))
                                                  : LayerNorm(),
          .stored_type = weights.StoredType(folder.Layer(layer, family.attention_out) + ".weight"),
          .norm_first = family.norm_first};
}

Sublayer ReadFeedForward(const ModelFolder& folder, int layer, WeightReader& weights) {
  const ModelConfig& config = folder.config;
  const Family& family = *config.family;
  Linear in = weights.Stacked(InputNames(folder, layer, SublayerKind::kFeedForward), config.biases.ffn_in);
  if (family.gate_last) in = SwappedBlocks(in);
  return {.kind = SublayerKind::kFeedForward,
          .layer = layer,
          .unit_width = 1,
          .units = config.neurons[layer],
          .in = std::move(in),
          .out = weights.Linear(folder.Layer(layer, family.ffn_out), config.biases.ffn_out),
          .norm = weights.Norm(folder.Layer(layer, family.ffn_norm)),
          .stored_type = weights.StoredType(folder.Layer(layer, family.ffn_out) + ".weight"),
          .norm_first = family.norm_first,
          .gated = family.gated_ffn};
}

void ReadEmbeddings(const ModelFolder& folder, WeightReader& weights, Encoder& encoder) {
  const ModelConfig& config = folder.config;
  const Family& family = *config.family;
  encoder.word_embeddings = weights.Tensor(folder.Name(family.word_embeddings));
  if (config.has_positions)
    encoder.position_embeddings = weights.Tensor(folder.Name(family.position_embeddings));
  if (config.type_vocab_size > 0)
    encoder.token_type_embeddings = weights.Tensor(folder.Name(family.token_type_embeddings));
  encoder.embeddings_norm = weights.Norm(folder.Name(family.embeddings_norm));
  if (config.projects_embeddings())
    encoder.embeddings_projection = weights.Linear(folder.Name(family.embeddings_projection));
}

// The same of a model that looks at images.
void ReadPatches(const ModelFolder& folder, WeightReader& weights, Encoder& encoder) {
  const Family& family = *folder.config.family;
  encoder.patch_projection = weights.Linear(folder.Name(family.patches->projection));
  encoder.position_embeddings = weights.Tensor(folder.Name(family.position_embeddings)).squeeze(0);
  std::vector<at::Tensor> tokens;
  for (const char* name : family.patches->class_tokens())
    tokens.push_back(weights.Tensor(folder.Name(name)).squeeze(0));
  encoder.class_tokens = at::cat(tokens);
}

// One output of two tokens side by side that is the mean of an output of each.
Linear MeanOfBoth(const Linear& first, const Linear& second) {
  return {at::cat({first.weight, second.weight}, 1) / 2, (first.bias + second.bias) / 2};
}

// The sublayers of all layers, whose attention shares the tables that the family has. Layers of a group have
// the same tensors.
std::vector<Sublayer> ReadSublayers(const ModelFolder& folder, at::Device device, WeightReader& weights) {
  const ModelConfig& config = folder.config;
  const AttentionTables tables(config, device);
  const at::Tensor relative_Rd = ReadRelativeEmbeddings(folder, weights);
  at::Tensor bias_RH;
  if (config.family->attention == AttentionKind::kPositionBias)
    bias_RH = weights.Tensor(folder.Name(kPositionBias));
  std::vector<Sublayer> sublayers;
  for (int layer = 0; layer < config.num_layers; ++layer) {
    if (layer > 0 && config.LayerOfCheckpoint(layer) == config.LayerOfCheckpoint(layer - 1)) {
      for (int i = 0; i < 2; ++i) {
        Sublayer again = sublayers[sublayers.size() - 2];
        again.layer = layer;
        sublayers.push_back(std::move(again));
      }
      continue;
    }
    Sublayer& attention = sublayers.emplace_back(ReadAttention(folder, layer, weights));
    attention.form = tables.OfLayer(layer);
    if (bias_RH.defined())
      attention.form.bias_RH = bias_RH.index_select(1, at::tensor(attention.units, at::kLong).to(device));
    if (relative_Rd.defined())
      attention.positions = ReadRelativePositions(folder, layer, relative_Rd, weights);
    sublayers.push_back(ReadFeedForward(folder, layer, weights));
  }
  return sublayers;
}

}  // namespace

std::string ModelFolder::Name(const std::string& base_name) const {
  return base_names ? base_name : config.family->prefix + base_name;
}

std::string ModelFolder::Layer(int layer, const char* name) const {
  return Name(LayerTensor(*config.family, config.LayerOfCheckpoint(layer), name));
}

absl::StatusOr<ModelFolder> OpenModelFolder(const std::string& path, const Options& options) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    return absl::NotFoundError(absl::StrCat("model folder ", path, " does not exist"));
  }
  ModelFolder folder{.path = path, .config = {}, .tensors = nullptr};
  absl::StatusOr<ModelConfig> config = ReadModelConfig(path, options);
  if (!config.ok()) return config.status();
  folder.config = *std::move(config);
  absl::StatusOr<std::unique_ptr<TensorSource>> tensors = OpenCheckpoint(path);
  if (!tensors.ok()) return tensors.status();
  folder.tensors = *std::move(tensors);
  const Family& family = *folder.config.family;
  const std::string first = family.patches == nullptr ? family.word_embeddings
                                                      : absl::StrCat(family.patches->projection, ".weight");
  folder.base_names = folder.tensors->Find(first) != nullptr;
  for (const Expected& expected : ExpectedTensors(folder).All()) {
    if (absl::Status status = CheckTensor(folder, expected); !status.ok()) return status;
  }
  return folder;
}

absl::StatusOr<Encoder> LoadEncoder(const ModelFolder& folder, at::Device device) {
  SettleVectorFunctions();
  const Family& family = *folder.config.family;
  const ModelConfig& config = folder.config;
  WeightReader weights(folder, device);
  Encoder encoder;
  encoder.config = config;
  config.patches ? ReadPatches(folder, weights, encoder) : ReadEmbeddings(folder, weights, encoder);
  encoder.sublayers = ReadSublayers(folder, device, weights);
  if (family.final_norm != nullptr) encoder.final_norm = weights.Norm(folder.Name(family.final_norm));
  if (const TaskHead* head = config.head()) {
    if (head->dense != nullptr) encoder.head_dense = weights.Linear(head->dense, config.biases.head_dense);
    if (head->norm != nullptr) encoder.head_norm = weights.Norm(head->norm);
    encoder.head_output = head->tied_bias == nullptr
                              ? weights.Linear(head->output)
                              : Linear{encoder.word_embeddings, weights.Tensor(head->tied_bias)};
    if (head->second_output != nullptr)
      encoder.head_output = MeanOfBoth(encoder.head_output, weights.Linear(head->second_output));
  }
  if (!weights.status().ok()) return weights.status();
  return encoder;
}

}  // namespace kprune
