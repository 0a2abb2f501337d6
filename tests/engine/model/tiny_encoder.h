// Small models and samples for the tests of the engine.
#ifndef KPRUNE_TESTS_ENGINE_MODEL_TINY_ENCODER_H_
#define KPRUNE_TESTS_ENGINE_MODEL_TINY_ENCODER_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/encoder.h"
#include "engine/model/model_folder.h"
#include "gtest/gtest.h"
#include "tests/support/temp_directory.h"
#include "tests/support/tiny_model.h"

namespace kprune {

// Sequences of the given lengths over the vocabulary, token types 0 then 1, the same at every call.
inline std::vector<Sample> SamplesOfLengths(const std::vector<int>& lengths, const ModelConfig& config) {
  std::vector<Sample> samples;
  for (int length : lengths) {
    Sample& sample = samples.emplace_back();
    for (int i = 0; i < length; ++i) {
      const auto mixed = static_cast<int>(samples.size()) * 31 + i * 17 + i * i * 5;
      sample.input_ids.push_back(mixed % config.vocab_size);
      sample.token_type_ids.push_back(config.type_vocab_size > 1 && i > length / 2 ? 1 : 0);
    }
  }
  return samples;
}

// A text classifier of two classes with all its units; only sizes, no weights.
inline ModelConfig ConfigOfSize(int layers, int hidden, int head_dim, int intermediate, int vocabulary) {
  ModelConfig config;
  config.num_layers = layers;
  config.hidden_size = hidden;
  config.head_dim = head_dim;
  config.num_heads = hidden / head_dim;
  config.intermediate_size = intermediate;
  config.vocab_size = vocabulary;
  config.num_labels = 2;
  config.heads.assign(layers, std::vector<int64_t>(config.num_heads));
  config.neurons.assign(layers, std::vector<int64_t>(intermediate));
  return config;
}

// Fails the test and throws where the folder cannot be opened.
inline ModelFolder Opened(const std::filesystem::path& folder, const Options& options = {}) {
  absl::StatusOr<ModelFolder> opened = OpenModelFolder(folder.string(), options);
  if (!opened.ok()) throw std::runtime_error(opened.status().ToString());
  return *std::move(opened);
}

inline Encoder Loaded(const ModelFolder& folder) {
  absl::StatusOr<Encoder> encoder = LoadEncoder(folder, at::kCPU);
  if (!encoder.ok()) throw std::runtime_error(encoder.status().ToString());
  return *std::move(encoder);
}

// Reads a checkpoint that was just written.
inline Encoder TinyEncoder(const testing::TinyModel& model) {
  const TempDirectory folder;
  testing::WriteTinyModel(folder.path(), model);
  return Loaded(Opened(folder.path()));
}

inline double LargestDifference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_ENGINE_MODEL_TINY_ENCODER_H_
