#include "engine/model/model_folder.h"

#include <ATen/ATen.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/evaluation/outputs.h"
#include "engine/formats/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/model/written_folders.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::ReadFile;
using ::kprune::testing::TinyModel;
using ::kprune::testing::WriteTinyModel;
using nlohmann::json;
using ::testing::HasSubstr;

const std::vector<int> kLengths = {6, 1, 13, 4};

fs::path Golden(const std::string& name) {
  return fs::path(KPRUNE_SOURCE_DIR) / "tests/engine/goldens" / name;
}

bool SameBytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape && a.bytes.size() == b.bytes.size() &&
         (a.bytes.empty() || std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0);
}

class ModelFolderTest : public WrittenFolders {
 protected:
  ModelFolderTest() : WrittenFolders(&WriteModelFolder) {}
};

TEST_F(ModelFolderTest, Examples) {
  const ModelFolder original = Tiny({.task = "text-classification", .labels = 3, .neurons = 6});
  Encoder encoder = Loaded(original);
  encoder.Keep(0, {1, 2});
  encoder.Keep(3, {0, 4, 5});

  // What was written gives the outputs of the encoder in memory, bit for bit.
  const ModelFolder written = Written(original, encoder);
  const std::vector<Sample> samples = SamplesOfLengths(kLengths, encoder.config);
  EXPECT_TRUE(at::equal(RunSamples(Loaded(written), samples), RunSamples(encoder, samples)));

  // config.json is the original's with a "kprune" object and what modeling_file_test.cc is about.
  json config = *ReadJsonFile(written.path + "/config.json");
  EXPECT_EQ(config["kprune"], json({{"version", 1},
                                    {"heads", {2, 4}},
                                    {"neurons", {6, 3}},
                                    {"kept_heads", {{1, 2}, {0, 1, 2, 3}}},
                                    {"kept_neurons", {{0, 1, 2, 3, 4, 5}, {0, 4, 5}}}}));
  config.erase("kprune");
  config.erase("auto_map");
  EXPECT_EQ(config, *ReadJsonFile(original.path + "/config.json"));
}

TEST_F(ModelFolderTest, WeightsArePhysicallySmaller) {
  const ModelFolder original = Tiny({});
  Encoder encoder = Loaded(original);
  encoder.Keep(0, {3});
  encoder.Keep(1, {0, 63});
  const ModelFolder written = Written(original, encoder);
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(written.tensors->Find("encoder.layer.0.attention.self.key.weight")->shape, (Shape{8, 32}));
  EXPECT_EQ(written.tensors->Find("encoder.layer.0.attention.self.value.bias")->shape, (Shape{8}));
  EXPECT_EQ(written.tensors->Find("encoder.layer.0.attention.output.dense.weight")->shape, (Shape{32, 8}));
  EXPECT_EQ(written.tensors->Find("encoder.layer.0.intermediate.dense.weight")->shape, (Shape{2, 32}));
  EXPECT_EQ(written.tensors->Find("encoder.layer.0.output.dense.weight")->shape, (Shape{32, 2}));
  EXPECT_LT(fs::file_size(written.path + "/model.safetensors"),
            fs::file_size(original.path + "/model.safetensors"));
}

TEST_F(ModelFolderTest, TensorsThatPruningDoesNotTouchKeepTheirBytes) {
  for (const char* name : {"bert_single_label", "bert_fp16", "bert_bf16_sharded", "distilbert_single_label",
                           "bert_embedding_mean"}) {
    const ModelFolder original = Opened(Golden(name));
    Encoder encoder = Loaded(original);
    encoder.Keep(0, {1});
    encoder.Keep(1, {0, 5, 31});
    const ModelFolder written = Written(original, encoder);
    ASSERT_EQ(written.tensors->tensors().size(), original.tensors->tensors().size()) << name;
    size_t reshaped = 0;
    for (const TensorView& tensor : original.tensors->tensors()) {
      const TensorView* found = written.tensors->Find(tensor.name);
      ASSERT_NE(found, nullptr) << tensor.name;
      EXPECT_EQ(found->dtype, tensor.dtype) << tensor.name;
      // Query, key and value with biases, attention output, both FFN weights and the inner bias: 10.
      if (found->shape != tensor.shape)
        ++reshaped;
      else
        EXPECT_TRUE(SameBytes(*found, tensor)) << name << " " << tensor.name;
    }
    EXPECT_EQ(reshaped, 10u) << name;
  }
}

TEST_F(ModelFolderTest, SixteenBitWeightsSurviveExactly) {
  for (const char* name : {"bert_fp16", "bert_bf16_sharded"}) {
    const ModelFolder original = Opened(Golden(name));
    Encoder encoder = Loaded(original);
    encoder.Keep(2, {0, 3});
    const ModelFolder written = Written(original, encoder);
    const std::vector<Sample> samples = SamplesOfLengths(kLengths, encoder.config);
    EXPECT_TRUE(at::equal(RunSamples(Loaded(written), samples), RunSamples(encoder, samples))) << name;
    // Shards become one file.
    EXPECT_TRUE(fs::exists(written.path + "/model.safetensors")) << name;
    EXPECT_FALSE(fs::exists(written.path + "/model.safetensors.index.json")) << name;
  }
}

TEST_F(ModelFolderTest, ValuesBeyondHalfPrecisionBecomeItsLargest) {
  const ModelFolder original = Opened(Golden("bert_fp16"));
  Encoder encoder = Loaded(original);
  encoder.sublayers[1].out.weight = at::full_like(encoder.sublayers[1].out.weight, -1e9);
  const Encoder written = Loaded(Written(original, encoder));
  EXPECT_EQ(written.sublayers[1].out.weight.min().item<double>(), -65504);
}

TEST_F(ModelFolderTest, PruningAPrunedModelComposesIndices) {
  const ModelFolder original = Tiny({.neurons = 10});
  Encoder encoder = Loaded(original);
  encoder.Keep(0, {0, 2, 3});
  encoder.Keep(1, {1, 4, 6, 9});
  const ModelFolder once = Written(original, encoder);
  Encoder again = Loaded(once);
  EXPECT_EQ(again.sublayers[0].units, (std::vector<int64_t>{0, 2, 3}));
  again.Keep(0, {0, 2});
  again.Keep(1, {1, 3});
  const ModelFolder twice = Written(once, again);
  const json kprune = (*ReadJsonFile(twice.path + "/config.json"))["kprune"];
  EXPECT_EQ(kprune["kept_heads"][0], json({0, 3}));
  EXPECT_EQ(kprune["kept_neurons"][0], json({4, 9}));

  Encoder at_once = Loaded(original);
  at_once.Keep(0, {0, 3});
  at_once.Keep(1, {4, 9});
  const std::vector<Sample> samples = SamplesOfLengths(kLengths, at_once.config);
  EXPECT_TRUE(at::equal(RunSamples(Loaded(twice), samples), RunSamples(at_once, samples)));
}

TEST_F(ModelFolderTest, EmptySublayersAreWrittenAndRead) {
  for (const char* family : {"bert", "distilbert"}) {
    const ModelFolder original = Tiny({.family = family, .task = "text-classification"});
    Encoder encoder = Loaded(original);
    encoder.Keep(0, {});
    encoder.Keep(3, {});
    const ModelFolder written = Written(original, encoder);
    EXPECT_TRUE(written.config.heads[0].empty());
    const std::vector<Sample> samples = SamplesOfLengths(kLengths, encoder.config);
    EXPECT_TRUE(at::equal(RunSamples(Loaded(written), samples), RunSamples(encoder, samples))) << family;
  }
}

TEST_F(ModelFolderTest, TokenizerAndPoolingFilesComeAlongUnchanged) {
  const ModelFolder original = Tiny({.sentence_encoder = true});
  testing::WriteFile(folders_ / "model" / "notes.txt", "not a model file");
  const ModelFolder written = Written(original, Loaded(original));
  for (const char* name : {"vocab.txt", "tokenizer_config.json", "modules.json", "1_Pooling/config.json"}) {
    EXPECT_EQ(ReadFile(fs::path(written.path) / name), ReadFile(fs::path(original.path) / name)) << name;
    EXPECT_FALSE(ReadFile(fs::path(written.path) / name).empty()) << name;
  }
  EXPECT_FALSE(fs::exists(written.path + "/notes.txt"));
  EXPECT_TRUE(written.config.normalize);
}

TEST_F(ModelFolderTest, TheSameEncoderGivesTheSameBytes) {
  const ModelFolder original = Tiny({});
  Encoder encoder = Loaded(original);
  encoder.Keep(1, {3, 9});
  const ModelFolder first = Written(original, encoder), second = Written(original, encoder);
  for (const char* name : {"model.safetensors", "config.json"})
    EXPECT_EQ(ReadFile(first.path + "/" + name), ReadFile(second.path + "/" + name)) << name;
}

TEST_F(ModelFolderTest, BaseNamesWithAndWithoutPrefixAreBothRead) {
  EXPECT_TRUE(Tiny({}).base_names);
  EXPECT_FALSE(Tiny({.task = "text-classification"}).base_names);
  // A classifier as an encoder: its head is not needed.
  Options options;
  options.task = "feature-extraction";
  const ModelFolder folder = Opened(folders_ / "model", options);
  EXPECT_EQ(folder.config.num_labels, 32);
  EXPECT_EQ(RunSamples(Loaded(folder), SamplesOfLengths({3}, folder.config)).sizes(),
            (at::IntArrayRef{1, 32}));
}

}  // namespace
}  // namespace kprune
