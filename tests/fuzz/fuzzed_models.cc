#include "tests/fuzz/fuzzed_models.h"

#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/formats/checkpoint.h"
#include "engine/formats/safetensors.h"
#include "engine/model/model_config.h"
#include "tests/fuzz/promises.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kConfig =
    R"({"model_type": "bert", "architectures": ["BertModel"], "num_hidden_layers": 2, "hidden_size": 8,
        "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 8, "max_position_embeddings": 16,
        "type_vocab_size": 2})";
constexpr std::string_view kPooling = R"({"pooling_mode_cls_token": true})";

void Write(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// Two shards with a tensor each.
void WriteShards(const fs::path& folder) {
  const std::byte values[4] = {};
  for (const char* name : {"a", "b"}) {
    const TensorView tensor = {name, DType::kF32, {1}, values};
    Require(WriteSafetensors(folder / (std::string("model-") + name + ".safetensors"), {&tensor, 1}, {}).ok(),
            "shards are written");
  }
}

// A folder in which the file of that name is still missing.
const fs::path& FolderWithout(const std::string& name) {
  static std::map<std::string, std::unique_ptr<TempDirectory>> folders;
  std::unique_ptr<TempDirectory>& folder = folders[name];
  if (folder != nullptr) return folder->path();
  folder = std::make_unique<TempDirectory>();
  Write(*folder / "config.json", kConfig);
  fs::create_directory(*folder / "1_Pooling");
  Write(*folder / "1_Pooling/config.json", kPooling);
  WriteShards(folder->path());
  return folder->path();
}

void ReadConfig(const fs::path& folder) {
  const absl::StatusOr<ModelConfig> config = ReadModelConfig(folder.string(), {});
  if (!config.ok()) return RequireRefusal(config.status(), absl::StatusCode::kNotFound);
  const auto layers = static_cast<size_t>(config->num_layers);
  Require(config->heads.size() == layers && config->neurons.size() == layers, "every layer has units");
  Require(config->head_dim * config->num_heads == config->hidden_size, "heads share the width");
  Require(config->max_sequence > 0 && config->max_sequence <= config->max_positions, "sequences have places");
  Require(config->attention.local.size() == layers, "every layer has attention");
  for (int layer = 0; layer < config->num_layers; ++layer) {
    const int own = config->LayerOfCheckpoint(layer);
    Require(own >= 0 && own <= layer, "layers are of the checkpoint");
  }
  const size_t labels = config->label_names().size();
  Require(labels == static_cast<size_t>(config->num_labels), "every label has a name");
}

void ReadWeights(const fs::path& folder) {
  const absl::StatusOr<std::unique_ptr<TensorSource>> source = OpenCheckpoint(folder);
  if (!source.ok()) return RequireRefusal(source.status(), absl::StatusCode::kNotFound);
  int sum = 0;
  for (const TensorView& tensor : (*source)->tensors()) {
    Require((*source)->Find(tensor.name) != nullptr, "tensors are found");
    int64_t bytes = SizeOf(tensor.dtype);
    for (const int64_t side : tensor.shape) bytes *= side;
    Require(bytes == static_cast<int64_t>(tensor.bytes.size()), "shapes are those of the bytes");
    for (const std::byte byte : tensor.bytes) sum += std::to_integer<int>(byte);
  }
  Require(sum >= 0, "bytes are there");
}

}  // namespace

void ReadAsModel(const std::string& name, const uint8_t* bytes, size_t size) {
  const fs::path& folder = FolderWithout(name);
  Write(folder / name, {reinterpret_cast<const char*>(bytes), size});
  name.find("safetensors") == std::string::npos ? ReadConfig(folder) : ReadWeights(folder);
}

}  // namespace kprune
