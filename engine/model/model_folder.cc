#include "engine/model/model_folder.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/checkpoint.h"
#include "engine/formats/safetensors.h"
#include "engine/model/tensor_conversion.h"

namespace kprune {
namespace {

struct Expected {
  std::string name;
  std::vector<int64_t> shape;
};

// Every tensor that the configuration calls for, with its shape.
std::vector<Expected> ExpectedTensors(const ModelFolder& folder) {
  const ModelConfig& config = folder.config;
  const Family& family = *config.family;
  const int64_t d = config.hidden_size;
  std::vector<Expected> expected;
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    expected.push_back({name + ".weight", {out, in}});
    expected.push_back({name + ".bias", {out}});
  };
  const auto norm = [&](const std::string& name, int64_t width) {
    expected.push_back({name + ".weight", {width}});
    expected.push_back({name + ".bias", {width}});
  };
  const int64_t e = config.embedding_size;
  expected.push_back({folder.Name(family.word_embeddings), {config.vocab_size, e}});
  expected.push_back(
      {folder.Name(family.position_embeddings), {config.position_offset + config.max_positions, e}});
  if (family.token_type_embeddings != nullptr) {
    expected.push_back({folder.Name(family.token_type_embeddings), {config.type_vocab_size, e}});
  }
  norm(folder.Name(family.embeddings_norm), e);
  if (e != d) linear(folder.Name(family.embeddings_projection), d, e);
  for (int layer = 0; layer < config.num_layers; ++layer) {
    const int64_t attention = static_cast<int64_t>(config.heads[layer].size()) * config.head_dim;
    const int64_t neurons = static_cast<int64_t>(config.neurons[layer].size());
    for (const char* name : {family.query, family.key, family.value})
      linear(folder.Layer(layer, name), attention, d);
    linear(folder.Layer(layer, family.attention_out), d, attention);
    norm(folder.Layer(layer, family.attention_norm), d);
    linear(folder.Layer(layer, family.ffn_in), neurons, d);
    linear(folder.Layer(layer, family.ffn_out), d, neurons);
    norm(folder.Layer(layer, family.ffn_norm), d);
  }
  if (const TaskHead* head = config.head()) {
    if (head->dense != nullptr) linear(head->dense, d, d);
    linear(head->output, config.num_labels, d);
  }
  return expected;
}

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
  kprune::Linear Linear(const std::string& name) {
    return {Tensor(name + ".weight"), Tensor(name + ".bias")};
  }
  LayerNorm Norm(const std::string& name) {
    return {Tensor(name + ".weight"), Tensor(name + ".bias"), folder_.config.layer_norm_eps};
  }
  DType StoredType(const std::string& name) const { return folder_.tensors->Find(name)->dtype; }
  const absl::Status& status() const { return status_; }

 private:
  const ModelFolder& folder_;
  const at::Device device_;
  absl::Status status_;
};

Sublayer ReadAttention(const ModelFolder& folder, int layer, WeightReader& weights) {
  const Family& family = *folder.config.family;
  Sublayer sublayer{.kind = SublayerKind::kAttention,
                    .layer = layer,
                    .unit_width = folder.config.head_dim,
                    .units = folder.config.heads[layer],
                    .in = {},
                    .out = {},
                    .norm = {}};
  std::vector<at::Tensor> in_weights, in_biases;
  for (const char* name : {family.query, family.key, family.value}) {
    const Linear projection = weights.Linear(folder.Layer(layer, name));
    in_weights.push_back(projection.weight);
    in_biases.push_back(projection.bias);
  }
  sublayer.in = {at::cat(in_weights), at::cat(in_biases)};
  sublayer.out = weights.Linear(folder.Layer(layer, family.attention_out));
  sublayer.norm = weights.Norm(folder.Layer(layer, family.attention_norm));
  return sublayer;
}

Sublayer ReadFeedForward(const ModelFolder& folder, int layer, WeightReader& weights) {
  const Family& family = *folder.config.family;
  return {.kind = SublayerKind::kFeedForward,
          .layer = layer,
          .unit_width = 1,
          .units = folder.config.neurons[layer],
          .in = weights.Linear(folder.Layer(layer, family.ffn_in)),
          .out = weights.Linear(folder.Layer(layer, family.ffn_out)),
          .norm = weights.Norm(folder.Layer(layer, family.ffn_norm))};
}

}  // namespace

std::string ModelFolder::Name(const std::string& base_name) const {
  return base_names ? base_name : config.family->prefix + base_name;
}

std::string ModelFolder::Layer(int layer, const char* name) const {
  return Name(LayerTensor(*config.family, layer, name));
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
  folder.base_names = folder.tensors->Find(folder.config.family->word_embeddings) != nullptr;
  for (const Expected& expected : ExpectedTensors(folder)) {
    if (absl::Status status = CheckTensor(folder, expected); !status.ok()) return status;
  }
  return folder;
}

absl::StatusOr<Encoder> LoadEncoder(const ModelFolder& folder, at::Device device) {
  const Family& family = *folder.config.family;
  WeightReader weights(folder, device);
  Encoder encoder;
  encoder.config = folder.config;
  encoder.word_embeddings = weights.Tensor(folder.Name(family.word_embeddings));
  encoder.position_embeddings = weights.Tensor(folder.Name(family.position_embeddings));
  if (family.token_type_embeddings != nullptr) {
    encoder.token_type_embeddings = weights.Tensor(folder.Name(family.token_type_embeddings));
  }
  encoder.embeddings_norm = weights.Norm(folder.Name(family.embeddings_norm));
  if (folder.config.embedding_size != folder.config.hidden_size) {
    encoder.embeddings_projection = weights.Linear(folder.Name(family.embeddings_projection));
  }
  for (int layer = 0; layer < folder.config.num_layers; ++layer) {
    encoder.sublayers.push_back(ReadAttention(folder, layer, weights));
    encoder.sublayers.back().stored_type =
        weights.StoredType(folder.Layer(layer, family.attention_out) + ".weight");
    encoder.sublayers.push_back(ReadFeedForward(folder, layer, weights));
    encoder.sublayers.back().stored_type =
        weights.StoredType(folder.Layer(layer, family.ffn_out) + ".weight");
  }
  if (const TaskHead* head = folder.config.head()) {
    if (head->dense != nullptr) encoder.head_dense = weights.Linear(head->dense);
    encoder.head_output = weights.Linear(head->output);
  }
  if (!weights.status().ok()) return weights.status();
  return encoder;
}

}  // namespace kprune
