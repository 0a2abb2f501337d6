// docs/flags.md says what --help says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <regex>
#include <sstream>
#include <string>

#include "absl/strings/ascii.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

std::string Help(const std::string& program) {
  const std::string command = std::string(KPRUNE_BIN_DIR) + "/" + program + " --help";
  FILE* const pipe = ::popen(command.c_str(), "r");
  std::string text;
  char part[4096];
  for (size_t count; (count = std::fread(part, 1, sizeof(part), pipe)) > 0;) text.append(part, count);
  EXPECT_EQ(::pclose(pipe), 0) << command;
  return text;
}

// What each flag of a help text does, by its name; its lines are one.
std::map<std::string, std::string> FlagsOf(const std::string& help) {
  static const std::regex first_line("  --([a-z0-9-]+).*");
  std::map<std::string, std::string> flags;
  std::istringstream lines(help);
  std::string flag;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, first_line)) {
      flag = match[1];
      flags[flag];
    } else if (!flag.empty() && line.compare(0, 6, "      ") == 0) {
      std::string& text = flags[flag];
      text += (text.empty() ? "" : " ") + std::string(absl::StripAsciiWhitespace(line));
    } else {
      flag.clear();
    }
  }
  flags.erase("version");
  return flags;
}

TEST(FlagsDocumentTest, NamesEveryFlagOfBothProgramsAndNoOther) {
  const std::string document = testing::ReadFile(std::filesystem::path(KPRUNE_SOURCE_DIR) / "docs/flags.md");
  const size_t second = document.find("## kprune-exporter");
  ASSERT_NE(second, std::string::npos);
  for (const auto& [program, part] : {std::pair{"kprune-server", document.substr(0, second)},
                                      {"kprune-exporter", document.substr(second)}}) {
    const auto flags = FlagsOf(Help(program));
    EXPECT_GT(flags.size(), 10u) << program;
    for (const auto& [flag, text] : flags) {
      const size_t row = part.find("| `--" + flag + "` |");
      ASSERT_NE(row, std::string::npos) << program << " has --" << flag;
      EXPECT_THAT(part.substr(row, part.find('\n', row) - row), HasSubstr("| " + text + " |")) << program;
    }
    size_t rows = 0;
    for (size_t at = part.find("\n| `--"); at != std::string::npos; at = part.find("\n| `--", at + 1)) ++rows;
    EXPECT_EQ(rows, flags.size()) << "of " << program;
  }
}

}  // namespace
}  // namespace kprune
