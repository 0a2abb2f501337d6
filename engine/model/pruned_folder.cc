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
  // One of each for every layer that has weights of its own.
  nlohmann::json heads = nlohmann::json::array(), neurons = heads, kept_heads = heads, kept_neurons = heads;
  for (const int t : config.OwnSublayers()) {
    const bool attention = t % 2 == 0;
    const std::vector<int64_t>& kept = (attention ? config.heads : config.neurons)[t / 2];
    (attention ? heads : neurons).push_back(kept.size());
    (attention ? kept_heads : kept_neurons).push_back(kept);
  }
  nlohmann::json json = WrittenConfig(config);
  json["kprune"] = {{"version", 1},
                    {"heads", heads},
                    {"neurons", neurons},
                    {"kept_heads", kept_heads},
                    {"kept_neurons", kept_neurons}};
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
