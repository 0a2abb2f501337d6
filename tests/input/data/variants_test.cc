#include "engine/data/variants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace kprune {
namespace {

using ::testing::Each;

constexpr int32_t kCls = 101, kSep = 102;

Sample Text(std::vector<int32_t> words) {
  Sample sample;
  sample.input_ids = {kCls};
  sample.input_ids.insert(sample.input_ids.end(), words.begin(), words.end());
  sample.input_ids.push_back(kSep);
  sample.token_type_ids.assign(sample.input_ids.size(), 0);
  sample.labels = {1};
  return sample;
}

Sample Pair(const std::vector<int32_t>& a, const std::vector<int32_t>& b) {
  Sample sample = Text(a);
  sample.input_ids.insert(sample.input_ids.end(), b.begin(), b.end());
  sample.input_ids.push_back(kSep);
  sample.token_type_ids.resize(sample.input_ids.size(), 1);
  return sample;
}

std::vector<int32_t> Count(int32_t from, int count) {
  std::vector<int32_t> words(count);
  for (int i = 0; i < count; ++i) words[i] = from + i;
  return words;
}

TEST(VariantsTest, Examples) {
  const std::vector<Sample> samples = {Text(Count(1000, 12)), Text(Count(2000, 8))};
  const std::vector<Sample> variants = MakeVariants(samples, 3, /*seed=*/0);
  ASSERT_EQ(variants.size(), 6u) << "three of each sample";
  for (const Sample& variant : variants) {
    EXPECT_EQ(variant.input_ids.front(), kCls);
    EXPECT_EQ(variant.input_ids.back(), kSep);
    EXPECT_EQ(std::count(variant.input_ids.begin(), variant.input_ids.end(), kSep), 1);
    EXPECT_GE(variant.input_ids.size(), 3u) << "never without a word";
    EXPECT_LE(variant.input_ids.size(), 14u) << "never longer than the longest sample";
    EXPECT_EQ(variant.token_type_ids.size(), variant.input_ids.size());
    EXPECT_TRUE(variant.labels.empty()) << "a variant's label is not known";
  }
}

TEST(VariantsTest, TheSameSeedGivesTheSameVariantsAndAnotherSeedOthers) {
  const std::vector<Sample> samples = {Text(Count(1000, 12)), Text(Count(2000, 8))};
  const auto ids = [&](uint32_t seed) {
    std::vector<std::vector<int32_t>> all;
    for (const Sample& variant : MakeVariants(samples, 4, seed)) all.push_back(variant.input_ids);
    return all;
  };
  EXPECT_EQ(ids(5), ids(5));
  EXPECT_NE(ids(5), ids(6));
  EXPECT_TRUE(MakeVariants(samples, 0, 5).empty());
  EXPECT_TRUE(MakeVariants({}, 3, 5).empty());
}

TEST(VariantsTest, WordsComeFromTheSamplesAndStayInOrderMostly) {
  std::vector<Sample> samples;
  for (int i = 0; i < 40; ++i) samples.push_back(Text(Count(1000 * (i + 1), 20)));
  int same = 0, all = 0, lengths = 0;
  const std::vector<Sample> variants = MakeVariants(samples, 5, 1);
  for (size_t v = 0; v < variants.size(); ++v) {
    const int32_t base = 1000 * static_cast<int32_t>(v % 40 + 1);
    lengths += static_cast<int>(variants[v].input_ids.size()) - 2;
    for (const int32_t id : variants[v].input_ids) {
      if (id == kCls || id == kSep) continue;
      ++all;
      same += id >= base && id < base + 20;
      EXPECT_LT(id % 1000, 20) << "a word of some sample";
    }
  }
  const double share = static_cast<double>(same) / all, length = lengths / 200.0;
  EXPECT_GT(share, 0.75);
  EXPECT_LT(share, 0.97) << "some words are other samples'";
  EXPECT_GT(length, 12);
  EXPECT_LT(length, 19) << "words are dropped and texts cropped";
}

TEST(VariantsTest, PairsKeepTwoTextsOfTheirTypes) {
  std::vector<Sample> samples;
  for (int i = 0; i < 20; ++i)
    samples.push_back(Pair(Count(1000 * (i + 1), 8), Count(1000 * (i + 1) + 500, 6)));
  int swapped = 0;
  for (const Sample& variant : MakeVariants(samples, 10, 3)) {
    const auto& ids = variant.input_ids;
    ASSERT_EQ(std::count(ids.begin(), ids.end(), kSep), 2);
    const auto middle = std::find(ids.begin(), ids.end(), kSep) - ids.begin();
    const auto& types = variant.token_type_ids;
    EXPECT_THAT(std::vector<int32_t>(types.begin(), types.begin() + middle + 1), Each(0));
    EXPECT_THAT(std::vector<int32_t>(types.begin() + middle + 1, types.end()), Each(1));
    EXPECT_GE(middle, 2) << "both texts have words";
    EXPECT_GE(static_cast<int64_t>(ids.size()) - middle, 3);
    swapped += ids[1] % 1000 >= 500;
  }
  EXPECT_GT(swapped, 10);
  EXPECT_LT(swapped, 90);
}

// As RoBERTa frames a pair: <s> a </s></s> b </s>.
TEST(VariantsTest, DoubledSeparatorsStay) {
  Sample sample;
  sample.input_ids = {0, 11, 12, 13, 2, 2, 21, 22, 2};
  sample.token_type_ids.assign(9, 0);
  for (const Sample& variant : MakeVariants(std::vector<Sample>(3, sample), 5, 0)) {
    const auto& ids = variant.input_ids;
    const auto first = std::find(ids.begin(), ids.end(), 2);
    ASSERT_NE(first, ids.end());
    EXPECT_EQ(*(first + 1), 2);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), 2), 3);
    EXPECT_EQ(ids.front(), 0);
    EXPECT_EQ(ids.back(), 2);
  }
}

TEST(VariantsTest, IdsWithoutAFrameAreVariedWhole) {
  Sample a, b;
  a.input_ids = {5, 6, 7};
  b.input_ids = {8};
  a.token_type_ids.assign(3, 0);
  b.token_type_ids.assign(1, 0);
  const std::set<int32_t> known = {5, 6, 7, 8};
  for (const Sample& variant : MakeVariants(std::vector<Sample>{a, b}, 20, 0)) {
    EXPECT_FALSE(variant.input_ids.empty());
    EXPECT_LE(variant.input_ids.size(), 3u);
    for (const int32_t id : variant.input_ids) EXPECT_TRUE(known.contains(id));
  }
}

// A frame and nothing in it: an empty text is no text.
TEST(VariantsTest, SamplesOfSeparatorsAloneStayAsTheyAre) {
  const std::vector<Sample> samples = {Text({}), Text({})};
  for (const Sample& variant : MakeVariants(samples, 3, 0))
    EXPECT_EQ(variant.input_ids, samples[0].input_ids);
}

TEST(VariantsTest, TokensThatCountCountInVariantsToo) {
  // Even words count, odd ones do not.
  std::vector<Sample> samples;
  for (int i = 0; i < 8; ++i) {
    samples.push_back(Text(Count(10 * i, 6)));
    for (int32_t at = 1; at <= 6; at += 2) samples.back().positions.push_back(at);
  }
  for (const Sample& variant : MakeVariants(samples, 5, 3)) {
    std::vector<int32_t> expected;
    for (size_t at = 1; at + 1 < variant.input_ids.size(); ++at) {
      if (variant.input_ids[at] % 2 == 0) expected.push_back(static_cast<int32_t>(at));
    }
    ASSERT_FALSE(variant.positions.empty()) << "none would mean all";
    if (!expected.empty()) {
      EXPECT_EQ(variant.positions, expected);
    }
  }
}

TEST(VariantsTest, ChoicesStayTogether) {
  std::vector<Sample> samples;
  for (int i = 0; i < 6; ++i) {
    samples.push_back(Pair(Count(10 * i, 4), Count(10 * i + 5, 3)));
    samples.back().choice = i % 3;
  }
  const std::vector<Sample> variants = MakeVariants(samples, 2, 1);
  ASSERT_EQ(variants.size(), 12u);
  for (size_t i = 0; i < variants.size(); ++i) EXPECT_EQ(variants[i].choice, static_cast<int32_t>(i % 3));
}

}  // namespace
}  // namespace kprune
