#include "engine/model/encoder_folder.h"

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "engine/formats/file.h"
#include "engine/formats/safetensors.h"
#include "engine/model/tensor_conversion.h"
#include "kprune/layout.h"
#include "kprune/model_files.h"

namespace kprune {
namespace {

constexpr int64_t kMaxCopiedFileBytes = int64_t{256} << 20;

struct Changed {
  at::Tensor value;
  DType dtype;  // of one that the original does not have
};

// The tensors of the sublayers, by their names in the checkpoint.
class SublayerTensors {
 public:
  explicit SublayerTensors(const ModelFolder& folder) : folder_(folder), family_(*folder.config.family) {}

  std::map<std::string, Changed> Of(const Encoder& encoder) {
    shares_layers_ = encoder.config.shares_layers;
    for (const int t : encoder.config.OwnSublayers()) {
      const Sublayer& sublayer = encoder.sublayers[t];
      sublayer.kind == SublayerKind::kAttention ? Attention(sublayer) : FeedForward(sublayer);
    }
    return std::move(changed_);
  }

 private:
  void Put(const Sublayer& sublayer, const char* name, const at::Tensor& weight, const at::Tensor& bias) {
    const std::string full_name = shares_layers_ ? folder_.Layer(sublayer.layer, name)
                                                 : folder_.Name(LayerTensor(family_, sublayer.layer, name));
    changed_[full_name + ".weight"] = {weight, sublayer.stored_type};
    if (bias.defined()) changed_[full_name + ".bias"] = {bias, sublayer.stored_type};
  }

  void PutBlock(const Sublayer& sublayer, const char* name, int64_t block) {
    const int64_t rows = sublayer.num_features();
    Put(sublayer, name, sublayer.in.weight.narrow(0, block * rows, rows),
        sublayer.in.bias.narrow(0, block * rows, rows));
  }

  void PutNorm(const Sublayer& sublayer, const char* name) {
    if (!sublayer.norm.weight.defined()) return;
    Put(sublayer, name, sublayer.norm.weight, folder_.config.biases.norm ? sublayer.norm.bias : at::Tensor());
  }

  void Attention(const Sublayer& sublayer) {
    if (family_.qkv != nullptr) {
      Put(sublayer, family_.qkv, sublayer.in.weight, sublayer.in.bias);
    } else {
      PutBlock(sublayer, family_.query, 0);
      PutBlock(sublayer, family_.key, 1);
      PutBlock(sublayer, family_.value, 2);
    }
    const RelativePositions& positions = sublayer.positions;
    if (positions.key.weight.defined()) Put(sublayer, kPositionKey, positions.key.weight, positions.key.bias);
    if (positions.query.weight.defined())
      Put(sublayer, kPositionQuery, positions.query.weight, positions.query.bias);
    Put(sublayer, family_.attention_out, sublayer.out.weight, sublayer.out.bias);
    PutNorm(sublayer, family_.attention_norm);
  }

  void FeedForward(const Sublayer& sublayer) {
    if (family_.ffn_gate != nullptr) {
      PutBlock(sublayer, family_.ffn_gate, 0);
      PutBlock(sublayer, family_.ffn_in, 1);
    } else {
      const Linear in = family_.gate_last ? SwappedBlocks(sublayer.in) : sublayer.in;
      Put(sublayer, family_.ffn_in, in.weight, in.bias);
    }
    Put(sublayer, family_.ffn_out, sublayer.out.weight, sublayer.out.bias);
    PutNorm(sublayer, family_.ffn_norm);
  }

  const ModelFolder& folder_;
  const Family& family_;
  bool shares_layers_ = false;
  std::map<std::string, Changed> changed_;
};

absl::Status WriteWeights(const ModelFolder& original, const Encoder& encoder, const std::string& path) {
  const std::map<std::string, Changed> changed = SublayerTensors(original).Of(encoder);
  std::vector<at::Tensor> owners;
  std::vector<TensorView> views;
  const auto add = [&](const std::string& name, const at::Tensor& value, DType dtype) {
    owners.push_back(ToCheckpointTensor(value, dtype));
    views.push_back(ViewOf(name, dtype, owners.back()));
  };
  for (const TensorView& tensor : original.tensors->tensors()) {
    const auto it = changed.find(tensor.name);
    it == changed.end() ? views.push_back(tensor) : add(tensor.name, it->second.value, tensor.dtype);
  }
  // Biases of families that go without, which a refit gives some, and layers that no longer share weights.
  for (const auto& [name, tensor] : changed) {
    if (original.tensors->Find(name) == nullptr) add(name, tensor.value, tensor.dtype);
  }
  return WriteSafetensors(path, views, {{"format", "pt"}});
}

// Everything of the original folder that is not its configuration or its weights.
absl::Status CopyCompanions(const std::string& from, const std::string& to) {
  const absl::StatusOr<std::vector<std::string>> names = FileNamesOfModel(from);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    const bool written_anew = name == "config.json" || name.find(".safetensors") != std::string::npos;
    if (!IsAllowedName(FileRole::kModel, name) || written_anew) continue;
    absl::StatusOr<std::string> bytes = ReadFile(from + "/" + name, kMaxCopiedFileBytes);
    if (!bytes.ok()) return bytes.status();
    const std::filesystem::path destination = std::filesystem::path(to) / name;
    std::filesystem::create_directories(destination.parent_path());
    if (absl::Status status = WriteFileDurably(destination, *bytes); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

nlohmann::json WrittenConfig(const ModelConfig& config) {
  nlohmann::json json = config.json;
  const Biases& keys = config.family->biases;
  for (const char* key : {keys.qkv, keys.attention_out, keys.ffn_in, keys.ffn_out}) {
    if (key != nullptr && *key != '\0') json[key] = true;
  }
  if (config.family->groups_key != nullptr && !config.shares_layers)
    json[config.family->groups_key] = config.num_layers;
  return json;
}

bool NeedsBiases(const ModelConfig& config) {
  const Biases& keys = config.family->biases;
  const auto never = [](const char* key) { return key != nullptr && *key == '\0'; };
  return never(keys.qkv) || never(keys.attention_out) || never(keys.ffn_in) || never(keys.ffn_out);
}

absl::Status WriteEncoderFolder(const ModelFolder& original, const Encoder& encoder,
                                const nlohmann::json& config, const std::string& destination) {
  if (absl::Status status = CopyCompanions(original.path, destination); !status.ok()) return status;
  absl::Status status = WriteFileDurably(destination + "/config.json", config.dump(2) + "\n");
  if (!status.ok()) return status;
  return WriteWeights(original, encoder, destination + "/model.safetensors");
}

}  // namespace kprune
