#include "kprune/model_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ModelFilesTest : public ::testing::Test {
 protected:
  void Write(const std::string& name) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << "{}";
  }

  // Of the folder "model".
  std::vector<std::string> Names() const { return FileNamesOfModel(folder_ / "model").value(); }

  const TempDirectory folder_;
};

TEST_F(ModelFilesTest, Examples) {
  for (const char* name :
       {"config.json", "model.safetensors", "1_Pooling/config.json", "onnx/deep/model.onnx"})
    Write(std::string("model/") + name);
  EXPECT_THAT(Names(), ElementsAre("1_Pooling/config.json", "config.json", "model.safetensors"));
}

TEST_F(ModelFilesTest, LinksAreWhatTheyLeadTo) {
  Write("model/config.json");
  Write("elsewhere/pooling/config.json");
  Write("elsewhere/blob");
  fs::create_directory_symlink(folder_ / "elsewhere/pooling", folder_ / "model/1_Pooling");
  fs::create_symlink("../elsewhere/blob", folder_ / "model/vocab.txt");
  EXPECT_THAT(Names(), ElementsAre("1_Pooling/config.json", "config.json", "vocab.txt"));
  fs::create_directory_symlink("model", folder_ / "name");
  EXPECT_EQ(FileNamesOfModel(folder_ / "name").value(), Names());
}

TEST_F(ModelFilesTest, LinksThatLeadNowhereOrInACircleEnd) {
  Write("model/config.json");
  fs::create_symlink("gone", folder_ / "model/vocab.txt");
  fs::create_symlink("itself", folder_ / "model/itself");
  fs::create_directory_symlink(".", folder_ / "model/1_Pooling");
  fs::create_directory_symlink("..", folder_ / "model/above");
  EXPECT_THAT(Names(), ElementsAre("1_Pooling/config.json", "config.json"));
}

TEST_F(ModelFilesTest, AFolderThatCannotBeReadIsNamed) {
  const absl::Status missing = FileNamesOfModel(folder_ / "nothing").status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()),
              HasSubstr("cannot read the model folder " + (folder_ / "nothing").string()));
}

}  // namespace
}  // namespace kprune
