// A tokenizer of eight words, for tests of what is read rather than how it is cut.
#ifndef KPRUNE_TESTS_INPUT_DATA_SMALL_TOKENIZER_H_
#define KPRUNE_TESTS_INPUT_DATA_SMALL_TOKENIZER_H_

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/data/samples.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/written_file.h"

namespace kprune {

// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, good 5, ##ly 6, bad 7.
class SmallTokenizerTest : public ::testing::Test {
 protected:
  SmallTokenizerTest() {
    WriteFile(folder_, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\n##ly\nbad\n");
    tokenizer_ = *LoadTokenizer(folder_.path());
    limits_.vocab_size = 8;
    limits_.max_positions = 32;
    limits_.label_kind = LabelKind::kClass;
    limits_.num_labels = 2;
    limits_.label2id = {{"NEGATIVE", 0}, {"POSITIVE", 1}};
    limits_.mask_token_id = tokenizer_->mask_id();
  }

  std::filesystem::path Write(std::string_view name, std::string_view contents) {
    return WriteFile(folder_, name, contents);
  }

  absl::StatusOr<SampleSet> Read(const std::vector<std::filesystem::path>& paths,
                                 const LineChoice& choice = {}) {
    return ReadSamples(paths, tokenizer_.get(), limits_, choice);
  }
  absl::StatusOr<SampleSet> Read(std::string_view name, std::string_view contents) {
    return Read({Write(name, contents)});
  }

  // Those of a file that must be readable.
  std::vector<Sample> Samples(std::string_view name, std::string_view contents) {
    const absl::StatusOr<SampleSet> set = Read(name, contents);
    EXPECT_TRUE(set.ok()) << set.status();
    return set.ok() ? set->samples : std::vector<Sample>();
  }

  // The file's refusal, which names it.
  std::string Refusal(std::string_view name, std::string_view contents) {
    const absl::Status status = Read(name, contents).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name << ": " << contents;
    EXPECT_THAT(std::string(status.message()), ::testing::StartsWith((folder_ / std::string(name)).string()));
    return std::string(status.message());
  }

  TempDirectory folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  SampleLimits limits_;
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_INPUT_DATA_SMALL_TOKENIZER_H_
