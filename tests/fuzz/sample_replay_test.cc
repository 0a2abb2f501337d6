// What fuzzing starts from, and what it found: every file of the corpus is read again.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "tests/fuzz/fuzzed_samples.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

TEST(SampleReplayTest, NoFileOfTheCorpusCrashesItsReader) {
  int files = 0;
  for (const fs::directory_entry& format :
       fs::directory_iterator(fs::path(KPRUNE_SOURCE_DIR) / "tests/fuzz/sample_corpus")) {
    for (const fs::directory_entry& entry : fs::directory_iterator(format.path())) {
      SCOPED_TRACE(entry.path().string());
      std::ifstream stream(entry.path(), std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(stream), {});
      // And what is left of it when it is cut: every kind of samples has its turn.
      for (size_t cut = 0; cut < 8 && cut <= bytes.size(); ++cut) {
        ReadAsSamples(format.path().filename().string(), reinterpret_cast<const uint8_t*>(bytes.data()),
                      bytes.size() - cut);
      }
      ++files;
    }
  }
  EXPECT_GE(files, 20);
}

}  // namespace
}  // namespace kprune
