// The documents speak of files that exist.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace kprune::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The paths below `root` that `text` mentions: words like client/main.cc whose first part is a folder of the
// source tree.
std::vector<std::string> FilesNamedIn(const std::string& text, const std::filesystem::path& root) {
  static const std::regex pattern(
      R"(([A-Za-z_.]+)(/[A-Za-z0-9_.-]+)+\.(h|cc|proto|sh|md|py|jsonl|cmake|txt))");
  std::vector<std::string> files;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match) {
    if (std::filesystem::is_directory(root / (*match)[1].str())) files.push_back(match->str());
  }
  return files;
}

std::string Read(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

TEST(DocumentsTest, Examples) {
  const std::filesystem::path root = KPRUNE_SOURCE_DIR;
  EXPECT_THAT(FilesNamedIn("see `client/main.cc`, [this](docs/kprune.md) and and/or.md", root),
              ElementsAre("client/main.cc", "docs/kprune.md"));
}

TEST(DocumentsTest, EveryFileThatADocumentNamesExists) {
  const std::filesystem::path root = KPRUNE_SOURCE_DIR;
  std::vector<std::filesystem::path> documents = {root / "README.md", root / "CONTRIBUTING.md"};
  for (const auto& entry : std::filesystem::directory_iterator(root / "docs"))
    documents.push_back(entry.path());
  std::vector<std::string> missing;
  int named = 0;
  for (const std::filesystem::path& document : documents) {
    for (const std::string& file : FilesNamedIn(Read(document), root)) {
      ++named;
      if (!std::filesystem::exists(root / file))
        missing.push_back(document.filename().string() + " names " + file);
    }
  }
  EXPECT_THAT(missing, IsEmpty());
  EXPECT_GT(named, 20);
}

}  // namespace
}  // namespace kprune::testing
