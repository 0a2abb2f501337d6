// Every file of the corpora is read again by the reader that it is of.
#include <string>

#include "gtest/gtest.h"
#include "tests/fuzz/corpus.h"
#include "tests/fuzz/fuzzed_models.h"
#include "tests/fuzz/fuzzed_pictures.h"
#include "tests/fuzz/fuzzed_samples.h"
#include "tests/fuzz/fuzzed_tokenizers.h"

namespace kprune {
namespace {

TEST(ReplayTest, NoSamplesCrashTheirReader) {
  const int files = ReplayCorpus("sample_corpus", [](const std::string& name, const std::string& bytes) {
    // And what is left of it when it is cut: every kind of samples has its turn.
    for (size_t cut = 0; cut < 8 && cut <= bytes.size(); ++cut)
      ReadAsSamples(name, BytesOf(bytes), bytes.size() - cut);
  });
  EXPECT_GE(files, 20);
}

TEST(ReplayTest, NoTokenizerCrashesItsReader) {
  const int files = ReplayCorpus("tokenizer_corpus", [](const std::string& name, const std::string& bytes) {
    ReadAsTokenizer(name, BytesOf(bytes), bytes.size());
  });
  EXPECT_GE(files, 20);
}

TEST(ReplayTest, NoModelCrashesItsReader) {
  const int files = ReplayCorpus("model_corpus", [](const std::string& name, const std::string& bytes) {
    for (size_t cut = 0; cut < 8 && cut <= bytes.size(); ++cut)
      ReadAsModel(name, BytesOf(bytes), bytes.size() - cut);
  });
  EXPECT_GE(files, 10);
}

TEST(ReplayTest, NoPictureCrashesItsDecoder) {
  const int files = ReplayCorpus("picture_corpus", [](const std::string& name, const std::string& bytes) {
    for (size_t cut = 0; cut < 8 && cut <= bytes.size(); ++cut)
      ReadAsPicture(name, BytesOf(bytes), bytes.size() - cut);
  });
  EXPECT_GE(files, 8);
}

}  // namespace
}  // namespace kprune
