// The folders of tests/engine/goldens: checkpoints that transformers wrote, with inputs and its outputs.
#ifndef KPRUNE_TESTS_ENGINE_MODEL_GOLDEN_FOLDER_H_
#define KPRUNE_TESTS_ENGINE_MODEL_GOLDEN_FOLDER_H_

#include <cstring>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/data/samples.h"
#include "engine/formats/safetensors.h"
#include "engine/model/model_config.h"

namespace kprune {

inline std::vector<int64_t> LongsOf(const TensorView& view) {
  std::vector<int64_t> values(view.bytes.size() / sizeof(int64_t));
  std::memcpy(values.data(), view.bytes.data(), view.bytes.size());
  return values;
}

// Pictures of pixel values.
inline std::vector<Sample> PicturesOf(const TensorSource& golden, const PatchConfig& patches) {
  const TensorView& pixels = *golden.Find("pixel_values");
  const auto copy = std::make_shared<std::vector<std::byte>>(pixels.bytes.begin(), pixels.bytes.end());
  const size_t bytes = static_cast<size_t>(patches.image.values()) * sizeof(float);
  std::vector<Sample> samples(pixels.shape[0]);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i].image = std::make_shared<StoredImage>(
        patches.image, DType::kF32, absl::MakeConstSpan(*copy).subspan(i * bytes, bytes), copy,
        /*tables=*/nullptr, /*mapped=*/false);
    samples[i].image_tokens = static_cast<int32_t>(patches.tokens());
  }
  return samples;
}

// Padded rows of a golden as ragged samples; token types are 0 where it has none.
inline std::vector<Sample> SamplesOf(const TensorSource& golden, const std::string& prefix = "") {
  const TensorView& ids_view = *golden.Find(prefix + "input_ids");
  const TensorView* types_view = golden.Find(prefix + "token_type_ids");
  const std::vector<int64_t> ids = LongsOf(ids_view), mask = LongsOf(*golden.Find(prefix + "attention_mask"));
  const std::vector<int64_t> types =
      types_view == nullptr ? std::vector<int64_t>(ids.size()) : LongsOf(*types_view);
  std::vector<Sample> samples(ids_view.shape[0]);
  for (size_t i = 0; i < ids.size(); ++i) {
    if (mask[i] == 0) continue;
    Sample& sample = samples[i / ids_view.shape[1]];
    sample.input_ids.push_back(static_cast<int32_t>(ids[i]));
    sample.token_type_ids.push_back(static_cast<int32_t>(types[i]));
  }
  return samples;
}

// Whatever the model takes.
inline std::vector<Sample> InputsOf(const TensorSource& golden, const ModelConfig& config) {
  return config.patches ? PicturesOf(golden, *config.patches) : SamplesOf(golden);
}

inline std::unique_ptr<TensorSource> OpenGolden(const std::filesystem::path& path) {
  absl::StatusOr<std::unique_ptr<TensorSource>> golden = OpenSafetensors(path);
  if (!golden.ok()) throw std::runtime_error(golden.status().ToString());
  return *std::move(golden);
}

inline std::filesystem::path GoldensFolder() {
  return std::filesystem::path(KPRUNE_SOURCE_DIR) / "tests/engine/goldens";
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_ENGINE_MODEL_GOLDEN_FOLDER_H_
