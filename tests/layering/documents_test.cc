// The documents speak of files that exist.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
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

// A test as documents name it: `Suite.Name`, or `Suite.Name/Row` of a table of cases.
struct NamedTest {
  std::string suite, name, row;
};

std::vector<NamedTest> TestsNamedIn(const std::string& text) {
  static const std::regex pattern("`([A-Z][A-Za-z0-9]+)\\.([A-Z][A-Za-z0-9]+)(/([A-Za-z0-9]+))?`");
  std::vector<NamedTest> tests;
  for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match)
    tests.push_back({(*match)[1], (*match)[2], (*match)[4]});
  return tests;
}

std::vector<std::string> SourcesOfTests(const std::filesystem::path& root) {
  std::vector<std::string> sources;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "tests")) {
    if (entry.path().extension() == ".cc") sources.push_back(Read(entry.path()));
  }
  return sources;
}

bool Has(const std::string& source, const NamedTest& test) {
  const std::string head = "(" + test.suite + ", " + test.name + ")";
  return source.find(head) != std::string::npos &&
         (test.row.empty() || source.find("\"" + test.row + "\"") != std::string::npos);
}

TEST(DocumentsTest, EveryTestThatBadInputNamesExists) {
  const std::filesystem::path root = KPRUNE_SOURCE_DIR;
  const std::vector<std::string> sources = SourcesOfTests(root);
  const std::vector<NamedTest> tests = TestsNamedIn(Read(root / "docs/bad_input.md"));
  EXPECT_GT(tests.size(), 60u);
  for (const NamedTest& test : tests) {
    const auto has = [&](const std::string& source) { return Has(source, test); };
    EXPECT_TRUE(std::any_of(sources.begin(), sources.end(), has))
        << test.suite << "." << test.name << " " << test.row;
  }
}

TEST(DocumentsTest, EveryLimitOfBadInputIsWhereItSays) {
  const std::filesystem::path root = KPRUNE_SOURCE_DIR;
  const std::string flags = Read(root / "server/flags.cc");
  std::istringstream page(Read(root / "docs/bad_input.md"));
  static const std::regex constant("`(kM[A-Za-z]+)`"), flag("`--([a-z-]+)`");
  int constants = 0;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| ")) continue;
    std::string row;  // the files that it names
    for (const std::string& file : FilesNamedIn(line, root)) row += Read(root / file);
    for (std::sregex_iterator match(line.begin(), line.end(), constant), end; match != end;
         ++match, ++constants)
      EXPECT_NE(row.find(" " + (*match)[1].str() + " ="), std::string::npos) << line;
    for (std::sregex_iterator match(line.begin(), line.end(), flag), end; match != end; ++match)
      EXPECT_NE(flags.find("\"" + (*match)[1].str() + "\""), std::string::npos) << line;
  }
  EXPECT_GT(constants, 30);
}

}  // namespace
}  // namespace kprune::testing
