// What fuzzing starts from, and what it found: folders of tests/fuzz, read again by the tests.
#ifndef KPRUNE_TESTS_FUZZ_CORPUS_H_
#define KPRUNE_TESTS_FUZZ_CORPUS_H_

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "gtest/gtest.h"

namespace kprune {

// Calls `read` with the target's name and the bytes of every file of a corpus, which has a folder for each
// target; returns how many those are.
inline int ReplayCorpus(const std::string& corpus,
                        const std::function<void(const std::string&, const std::string&)>& read) {
  namespace fs = std::filesystem;
  int files = 0;
  for (const fs::directory_entry& target :
       fs::directory_iterator(fs::path(KPRUNE_SOURCE_DIR) / "tests/fuzz" / corpus)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(target.path())) {
      SCOPED_TRACE(entry.path().string());
      std::ifstream stream(entry.path(), std::ios::binary);
      read(target.path().filename().string(), std::string(std::istreambuf_iterator<char>(stream), {}));
      ++files;
    }
  }
  return files;
}

inline const uint8_t* BytesOf(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_FUZZ_CORPUS_H_
