#include "engine/model/modeling_file.h"

#include <filesystem>
#include <string>

#include "engine/formats/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kprune/layout.h"
#include "kprune/supported_models.h"
#include "tests/engine/model/tiny_encoder.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::ReadFile;
using ::kprune::testing::TemporaryFolder;
using nlohmann::json;
using ::testing::HasSubstr;

// Writes the model that `original` holds, with one head less, and returns the folder's config.json.
json Rewritten(const fs::path& original, const fs::path& destination, const Options& options = {}) {
  const ModelFolder folder = Opened(original, options);
  Encoder encoder = Loaded(folder);
  encoder.Keep(0, {0, 1});
  fs::create_directory(destination);
  const absl::Status status = WriteModelFolder(folder, encoder, destination.string());
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadFile(destination / kModelingFileName), kModelingFile);
  return *ReadJsonFile(destination / "config.json");
}

TEST(ModelingFileTest, Examples) {
  const TemporaryFolder folder;
  testing::WriteTinyModel(folder / "model", {.task = "text-classification"});
  const json config = Rewritten(folder / "model", folder / "pruned");
  EXPECT_EQ(config["auto_map"],
            json({{"AutoModel", "modeling_kprune.BertModel"},
                  {"AutoModelForSequenceClassification", "modeling_kprune.BertForSequenceClassification"}}));
  // The file in the source tree, to the byte.
  EXPECT_EQ(ReadFile(fs::path(KPRUNE_SOURCE_DIR) / "engine/model/modeling_kprune.py"), kModelingFile);
}

TEST(ModelingFileTest, AnEncoderIsLoadedWithoutATask) {
  const TemporaryFolder folder;
  testing::WriteTinyModel(folder / "model", {.family = "distilbert"});
  EXPECT_EQ(Rewritten(folder / "model", folder / "pruned")["auto_map"],
            json({{"AutoModel", "modeling_kprune.DistilBertModel"}}));
  testing::WriteTinyModel(folder / "classifier", {.task = "text-classification"});
  Options options;
  options.task = "feature-extraction";
  EXPECT_EQ(Rewritten(folder / "classifier", folder / "encoder", options)["auto_map"],
            json({{"AutoModel", "modeling_kprune.BertModel"}}));
}

TEST(ModelingFileTest, ThatOfAnotherIsReplaced) {
  const TemporaryFolder folder;
  testing::WriteTinyModel(folder / "model", {});
  json config = *ReadJsonFile(folder / "model/config.json");
  config["auto_map"] = {{"AutoConfig", "configuration_x.XConfig"}, {"AutoModel", "modeling_x.XModel"}};
  testing::WriteFile(folder / "model/config.json", config.dump());
  testing::WriteFile(folder / "model/modeling_x.py", "raise SystemExit");
  testing::WriteFile(folder / "model/modeling_kprune.py", "raise SystemExit");
  const json once = Rewritten(folder / "model", folder / "once");
  EXPECT_EQ(once["auto_map"], json({{"AutoModel", "modeling_kprune.BertModel"}}));
  EXPECT_FALSE(fs::exists(folder / "once/modeling_x.py"));
  // Pruned again, it has both anew.
  EXPECT_EQ(Rewritten(folder / "once", folder / "twice")["auto_map"], once["auto_map"]);
}

TEST(ModelingFileTest, HasARowAndTheClassesOfEveryFamily) {
  for (const char* name : kFamilies) {
    const Family* family = FindFamily(name);
    ASSERT_NE(family, nullptr) << name;
    const std::string file(kModelingFile);
    EXPECT_THAT(file, HasSubstr(std::string("    \"") + name + "\": Family("));
    EXPECT_THAT(file, HasSubstr(std::string("        classes=\"") + family->class_prefix + "\",\n"));
  }
}

}  // namespace
}  // namespace kprune
