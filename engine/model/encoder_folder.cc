#include "engine/model/encoder_folder.h"

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "engine/formats/file.h"
#include "engine/formats/safetensors.h"
#include "engine/model/tensor_conversion.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

constexpr int64_t kMaxCopiedFileBytes = int64_t{256} << 20;

// The tensors of the sublayers, by their names in the checkpoint.
std::map<std::string, at::Tensor> SublayerTensors(const ModelFolder& folder, const Encoder& encoder) {
  const Family& family = *folder.config.family;
  std::map<std::string, at::Tensor> changed;
  const auto put = [&](int layer, const char* name, const at::Tensor& weight, const at::Tensor& bias) {
    changed[folder.Layer(layer, name) + ".weight"] = weight;
    changed[folder.Layer(layer, name) + ".bias"] = bias;
  };
  for (const Sublayer& sublayer : encoder.sublayers) {
    const int layer = sublayer.layer;
    const bool attention = sublayer.kind == SublayerKind::kAttention;
    put(layer, attention ? family.attention_norm : family.ffn_norm, sublayer.norm.weight, sublayer.norm.bias);
    if (attention) {
      const int64_t rows = sublayer.num_features();
      int64_t begin = 0;
      for (const char* name : {family.query, family.key, family.value}) {
        put(layer, name, sublayer.in.weight.narrow(0, begin, rows), sublayer.in.bias.narrow(0, begin, rows));
        begin += rows;
      }
      put(layer, family.attention_out, sublayer.out.weight, sublayer.out.bias);
    } else {
      put(layer, family.ffn_in, sublayer.in.weight, sublayer.in.bias);
      put(layer, family.ffn_out, sublayer.out.weight, sublayer.out.bias);
    }
  }
  return changed;
}

absl::Status WriteWeights(const ModelFolder& original, const Encoder& encoder, const std::string& path) {
  const std::map<std::string, at::Tensor> changed = SublayerTensors(original, encoder);
  std::vector<at::Tensor> owners;
  std::vector<TensorView> views;
  for (const TensorView& tensor : original.tensors->tensors()) {
    const auto it = changed.find(tensor.name);
    if (it == changed.end()) {
      views.push_back(tensor);
      continue;
    }
    owners.push_back(ToCheckpointTensor(it->second, tensor.dtype));
    views.push_back(ViewOf(tensor.name, tensor.dtype, owners.back()));
  }
  return WriteSafetensors(path, views, {{"format", "pt"}});
}

// Everything of the original folder that is not its configuration or its weights.
absl::Status CopyCompanions(const std::string& from, const std::string& to) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(from)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = std::filesystem::relative(entry.path(), from).generic_string();
    const bool written_anew = name == "config.json" || name.find(".safetensors") != std::string::npos;
    if (IsAllowedName(FileRole::kModel, name) && !written_anew) names.push_back(name);
  }
  for (const std::string& name : names) {
    absl::StatusOr<std::string> bytes = ReadFile(from + "/" + name, kMaxCopiedFileBytes);
    if (!bytes.ok()) return bytes.status();
    const std::filesystem::path destination = std::filesystem::path(to) / name;
    std::filesystem::create_directories(destination.parent_path());
    if (absl::Status status = WriteFileDurably(destination, *bytes); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteEncoderFolder(const ModelFolder& original, const Encoder& encoder,
                                const nlohmann::json& config, const std::string& destination) {
  if (absl::Status status = CopyCompanions(original.path, destination); !status.ok()) return status;
  absl::Status status = WriteFileDurably(destination + "/config.json", config.dump(2) + "\n");
  if (!status.ok()) return status;
  return WriteWeights(original, encoder, destination + "/model.safetensors");
}

}  // namespace kprune
