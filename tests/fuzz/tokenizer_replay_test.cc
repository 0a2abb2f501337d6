// What fuzzing of the tokenizers starts from, and what it found: every file of the corpus is read again.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "tests/fuzz/fuzzed_tokenizers.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

TEST(TokenizerReplayTest, NoFileOfTheCorpusCrashesItsReader) {
  int files = 0;
  for (const fs::directory_entry& target :
       fs::directory_iterator(fs::path(KPRUNE_SOURCE_DIR) / "tests/fuzz/tokenizer_corpus")) {
    for (const fs::directory_entry& entry : fs::directory_iterator(target.path())) {
      SCOPED_TRACE(entry.path().string());
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(stream), {});
      ReadAsTokenizer(target.path().filename().string(), reinterpret_cast<const uint8_t*>(bytes.data()),
                      bytes.size());
      ++files;
    }
  }
  EXPECT_GE(files, 20);
}

}  // namespace
}  // namespace kprune
