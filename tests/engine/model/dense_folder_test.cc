#include "engine/model/dense_folder.h"

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <vector>

#include "engine/evaluation/outputs.h"
#include "engine/formats/json.h"
#include "gtest/gtest.h"
#include "tests/engine/model/written_folders.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::ReadFile;
using ::kprune::testing::TinyModel;
using nlohmann::json;

const std::vector<int> kLengths = {6, 1, 13, 4};

class DenseFolderTest : public WrittenFolders {
 protected:
  DenseFolderTest() : WrittenFolders(&WriteDenseFolder) {}

  static void ExpectSameOutputs(const Encoder& a, const Encoder& b) {
    const std::vector<Sample> samples = SamplesOfLengths(kLengths, a.config);
    EXPECT_LT(LargestDifference(RunSamples(a, samples), RunSamples(b, samples)), 1e-5);
  }
};

TEST_F(DenseFolderTest, Examples) {
  const ModelFolder original = Tiny({.task = "text-classification", .labels = 3, .neurons = 6});
  Encoder pruned = Loaded(original);
  pruned.Keep(0, {1, 2});
  pruned.Keep(3, {0, 4, 5});

  // The original's configuration and shapes, the pruned model's outputs.
  const ModelFolder written = Written(original, pruned);
  EXPECT_EQ(*ReadJsonFile(written.path + "/config.json"), *ReadJsonFile(original.path + "/config.json"));
  for (const TensorView& tensor : original.tensors->tensors()) {
    const TensorView* found = written.tensors->Find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
    EXPECT_EQ(found->dtype, tensor.dtype) << tensor.name;
  }
  ExpectSameOutputs(Loaded(written), pruned);

  // What was removed is zero wherever it stood: here heads 0 and 3 of 8 features each, and neurons 1 to 3.
  const Encoder dense = Loaded(written);
  for (int block = 0; block < 3; ++block) {
    for (const int head : {0, 3}) {
      EXPECT_EQ(dense.sublayers[0].in.weight.narrow(0, block * 32 + head * 8, 8).count_nonzero().item<int>(),
                0);
      EXPECT_EQ(dense.sublayers[0].in.bias.narrow(0, block * 32 + head * 8, 8).count_nonzero().item<int>(),
                0);
    }
  }
  EXPECT_EQ(dense.sublayers[0].out.weight.narrow(1, 24, 8).count_nonzero().item<int>(), 0);
  EXPECT_EQ(dense.sublayers[3].in.weight.narrow(0, 1, 3).count_nonzero().item<int>(), 0);
  EXPECT_EQ(dense.sublayers[3].in.bias.narrow(0, 1, 3).count_nonzero().item<int>(), 0);
  EXPECT_EQ(dense.sublayers[3].out.weight.narrow(1, 1, 3).count_nonzero().item<int>(), 0);
  // And what stayed is where it was.
  EXPECT_TRUE(at::equal(dense.sublayers[0].in.weight.narrow(0, 8, 16),
                        Loaded(original).sublayers[0].in.weight.narrow(0, 8, 16)));
}

TEST_F(DenseFolderTest, OfEmptySublayers) {
  for (const char* family : {"bert", "distilbert"}) {
    const ModelFolder original = Tiny({.family = family, .task = "text-classification"});
    Encoder pruned = Loaded(original);
    for (const int t : {0, 1, 2}) pruned.Keep(t, {});
    pruned.Keep(3, {63});
    ExpectSameOutputs(Loaded(Written(original, pruned)), pruned);
  }
}

TEST_F(DenseFolderTest, OfAModelThatWasPrunedBeforeHasTheShapesOfTheVeryOriginal) {
  const ModelFolder original = Tiny({.neurons = 10});
  Encoder once = Loaded(original);
  once.Keep(0, {0, 2, 3});
  once.Keep(1, {1, 4, 6, 9});
  const fs::path folder = NewFolder();
  ASSERT_TRUE(WriteModelFolder(original, once, folder.string()).ok());
  const ModelFolder pruned = Opened(folder);
  Encoder twice = Loaded(pruned);
  twice.Keep(0, {1});
  twice.Keep(1, {0, 3});

  const ModelFolder written = Written(pruned, twice);
  EXPECT_EQ(*ReadJsonFile(written.path + "/config.json"), *ReadJsonFile(original.path + "/config.json"));
  const Encoder dense = Loaded(written), first = Loaded(original);
  EXPECT_EQ(dense.sublayers[0].num_units(), 4);
  EXPECT_EQ(dense.sublayers[1].num_units(), 10);
  EXPECT_TRUE(at::equal(dense.sublayers[0].out.weight.narrow(1, 16, 8),
                        first.sublayers[0].out.weight.narrow(1, 16, 8)));
  EXPECT_TRUE(at::equal(dense.sublayers[1].in.weight[9], first.sublayers[1].in.weight[9]));
  ExpectSameOutputs(dense, twice);
}

TEST_F(DenseFolderTest, HasTokenizerAndPoolingButNoCode) {
  const ModelFolder original = Tiny({.sentence_encoder = true});
  Encoder pruned = Loaded(original);
  pruned.Keep(2, {3});
  const fs::path folder = NewFolder();
  ASSERT_TRUE(WriteModelFolder(original, pruned, folder.string()).ok());
  // From the result folder, which has code.
  const ModelFolder written = Written(Opened(folder), pruned);
  for (const char* name : {"vocab.txt", "tokenizer_config.json", "modules.json", "1_Pooling/config.json"})
    EXPECT_EQ(ReadFile(fs::path(written.path) / name), ReadFile(fs::path(original.path) / name)) << name;
  EXPECT_FALSE(fs::exists(written.path + "/modeling_kprune.py"));
  ExpectSameOutputs(Loaded(written), pruned);
}

TEST_F(DenseFolderTest, KeepsSixteenBitTypes) {
  for (const char* name : {"bert_fp16", "bert_bf16_sharded"}) {
    const ModelFolder original = Opened(fs::path(KPRUNE_SOURCE_DIR) / "tests/engine/goldens" / name);
    Encoder pruned = Loaded(original);
    pruned.Keep(0, {1});
    pruned.Keep(3, {0, 5, 31});
    ExpectSameOutputs(Loaded(Written(original, pruned)), pruned);
  }
}

}  // namespace
}  // namespace kprune
