#include "kprune/supported_models.h"

#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kprune/options.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

std::string ReadText(const std::string& name) {
  std::ifstream file(std::string(KPRUNE_SOURCE_DIR) + "/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The table as docs/models.md and README.md show it.
std::string MarkdownTable() {
  std::string table = "| `model_type` |", rule = "| --- |";
  for (const char* task : kTasks) {
    table += std::string(" ") + task + " |";
    rule += " --- |";
  }
  table += " `--export` |\n" + rule + " --- |\n";
  for (const SupportedFamily& family : kSupportedFamilies) {
    table += std::string("| `") + family.model_type + "` |";
    for (const char* task : kTasks) table += HasTask(family, task) ? " yes |" : " - |";
    table += family.missing_exports.empty() ? " all |\n"
                                            : " all but " + std::string(family.missing_exports) + " |\n";
  }
  return table;
}

TEST(SupportedModelsTest, Examples) {
  EXPECT_TRUE(HasWord("dense triton", "triton"));
  EXPECT_FALSE(HasWord("dense triton", "den"));
  EXPECT_FALSE(HasWord("", ""));
  EXPECT_EQ(kFamilies.size(), kSupportedFamilies.size());
}

TEST(SupportedModelsTest, OnlyKnownTasksAndExportsAreMissing) {
  for (const SupportedFamily& family : kSupportedFamilies) {
    size_t exports = 0;
    for (const char* format : kExports) exports += !HasExport(family, format);
    EXPECT_EQ(exports, family.missing_exports.empty() ? 0u : 1u) << family.model_type;
  }
}

TEST(SupportedModelsTest, DocumentsShowTheTable) {
  for (const char* name : {"README.md", "docs/models.md"})
    EXPECT_THAT(ReadText(name), HasSubstr(MarkdownTable())) << name;
}

}  // namespace
}  // namespace kprune
