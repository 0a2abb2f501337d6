// WriteModelFolder: a pruned encoder as a Hugging Face folder.
#include "absl/strings/str_cat.h"
#include "engine/formats/file.h"
#include "engine/model/encoder_folder.h"
#include "engine/model/model_folder.h"
#include "engine/model/modeling_file.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

nlohmann::json PrunedConfig(const ModelConfig& config) {
  nlohmann::json heads = nlohmann::json::array(), neurons = nlohmann::json::array();
  for (const auto& layer : config.heads) heads.push_back(layer.size());
  for (const auto& layer : config.neurons) neurons.push_back(layer.size());
  nlohmann::json json = WrittenConfig(config);
  json["kprune"] = {{"version", 1},
                    {"heads", heads},
                    {"neurons", neurons},
                    {"kept_heads", config.heads},
                    {"kept_neurons", config.neurons}};
  if (NeedsBiases(config)) json["kprune"]["biases"] = true;
  json["auto_map"] = AutoMap(config);  // code of the original's, if it had any, is not in the folder
  return json;
}

}  // namespace

absl::Status WriteModelFolder(const ModelFolder& original, const Encoder& encoder,
                              const std::string& destination) {
  const std::string modeling_file = absl::StrCat(destination, "/", std::string(kModelingFileName));
  absl::Status status = WriteFileDurably(modeling_file, kModelingFile);
  if (!status.ok()) return status;
  return WriteEncoderFolder(original, encoder, PrunedConfig(encoder.config), destination);
}

}  // namespace kprune
