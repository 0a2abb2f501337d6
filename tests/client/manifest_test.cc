#include "client/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/scratch_folder.h"

namespace kprune::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> NamesOf(const std::vector<NamedFile>& files) {
  std::vector<std::string> names;
  for (const NamedFile& file : files) names.push_back(file.name);
  return names;
}

TEST(ManifestTest, Examples) {
  const ScratchFolder folder;
  folder.Write("config.json", "{}");
  folder.Write("model.safetensors", "weights");
  folder.Write("vocab.txt", "[PAD]");
  folder.Write("1_Pooling/config.json", "{}");
  folder.Write("README.md", "# Model");
  folder.Write("pytorch_model.bin", "pickle");
  folder.Write("onnx/model.onnx", "graph");
  folder.Write(".git/objects/config.json", "deep");
  const auto model = FindModelFiles(folder.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(NamesOf(model->files),
              ElementsAre("1_Pooling/config.json", "config.json", "model.safetensors", "vocab.txt"));
  EXPECT_THAT(model->left_out, ElementsAre("README.md", "onnx/model.onnx", "pytorch_model.bin"));
}

// As transformers and sentence-transformers load it.
TEST(ManifestTest, LinksAreSentAsWhatTheyLeadTo) {
  const ScratchFolder folder, elsewhere;
  folder.Write("config.json", "{}");
  std::filesystem::create_symlink(elsewhere.Write("blob", "weights"), folder.path() / "model.safetensors");
  elsewhere.Write("pooling/config.json", "{}");
  std::filesystem::create_directory_symlink(elsewhere.path() / "pooling", folder.path() / "1_Pooling");
  std::filesystem::create_directory_symlink(".", folder.path() / "loop");
  std::filesystem::create_symlink("itself", folder.path() / "itself");
  const auto model = FindModelFiles(folder.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(NamesOf(model->files),
              ElementsAre("1_Pooling/config.json", "config.json", "model.safetensors"));
  EXPECT_EQ(model->files[2].size_bytes, 7);
  EXPECT_THAT(model->left_out, ElementsAre("loop/config.json", "loop/model.safetensors"));
}

TEST(ManifestTest, OfAResultFolderTheModelAloneIsSent) {
  const ScratchFolder folder;
  folder.Write("config.json", "{}");
  folder.Write("model.safetensors", "weights");
  folder.Write("modeling_kprune.py", "code");
  folder.Write("dense/config.json", "{}");
  folder.Write("dense/model.safetensors", "weights");
  folder.Write("report.json", "{}");
  const auto model = FindModelFiles(folder.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_THAT(NamesOf(model->files), ElementsAre("config.json", "model.safetensors"));
  EXPECT_THAT(model->left_out, ElementsAre("dense/config.json", "dense/model.safetensors",
                                           "modeling_kprune.py", "report.json"));
}

TEST(ManifestTest, PickledWeightsAreToldSafetensorsOnly) {
  const ScratchFolder folder;
  folder.Write("config.json", "{}");
  folder.Write("pytorch_model.bin", "pickle");
  const auto model = FindModelFiles(folder.path());
  EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(model.status().message()), HasSubstr("safetensors only: "));
  EXPECT_THAT(std::string(model.status().message()), HasSubstr("pytorch_model.bin"));
}

TEST(ManifestTest, AFolderWithoutConfigOrWeightsIsNoModel) {
  const ScratchFolder weights;
  weights.Write("model.safetensors", "weights");
  EXPECT_THAT(std::string(FindModelFiles(weights.path()).status().message()),
              HasSubstr("has no config.json"));
  const ScratchFolder empty;
  EXPECT_THAT(std::string(FindModelFiles(empty.path()).status().message()),
              HasSubstr("has no model*.safetensors"));
}

TEST(ManifestTest, ShardsAndTheirIndexAreSent) {
  const ScratchFolder folder;
  folder.Write("config.json", "{}");
  folder.Write("model-00001-of-00002.safetensors", "a");
  folder.Write("model-00002-of-00002.safetensors", "b");
  folder.Write("model.safetensors.index.json", "{}");
  const auto model = FindModelFiles(folder.path());
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->files.size(), 4u);
}

TEST(ManifestTest, DataKeepsAllowedNamesAndGetsSafeOnesOtherwise) {
  const ScratchFolder folder;
  const auto files =
      NameDataFiles({folder.Write("samples.jsonl", "{}"), folder.Write("meine daten.jsonl", "{}"),
                     folder.Write("more/samples.jsonl", "{}"), folder.Write("ids.safetensors", "x")});
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_THAT(NamesOf(*files),
              ElementsAre("samples.jsonl", "data-2.jsonl", "data-3.jsonl", "ids.safetensors"));
}

TEST(ManifestTest, DataOfAnotherKindOrWithoutALineIsRefused) {
  const ScratchFolder folder;
  EXPECT_THAT(std::string(NameDataFiles({folder.Write("a.docx", "x")}).status().message()),
              HasSubstr("is of no format that is known by its name; data is one of .jsonl"));
  const auto packed = NameDataFiles({folder.Write("my data.csv.gz", "x"), folder.Write("Dev.TSV", "x")});
  ASSERT_TRUE(packed.ok()) << packed.status();
  EXPECT_EQ((*packed)[0].name, "data-1.csv.gz");
  EXPECT_EQ((*packed)[1].name, "data-2.tsv");
  EXPECT_THAT(std::string(NameDataFiles({folder.Write("a.jsonl", "")}).status().message()),
              HasSubstr("is empty"));
}

TEST(ManifestTest, AnEntryHasSizeAndSha256) {
  const ScratchFolder folder;
  const auto files = NameDataFiles({folder.Write("abc.jsonl", "abc")});
  ASSERT_TRUE(files.ok());
  const auto entry = Describe(files->front());
  ASSERT_TRUE(entry.ok());
  // The test vector of FIPS 180-4.
  EXPECT_EQ(entry->sha256(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(entry->size(), 3);
}

}  // namespace
}  // namespace kprune::client
