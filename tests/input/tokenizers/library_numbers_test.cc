#include "engine/tokenizers/library_numbers.h"

#include <gtest/gtest.h>

#include <utility>

namespace kprune {
namespace {

// What tokenizers 0.22.2 writes again of a score that it has read from a file.
TEST(LibraryNumbersTest, Examples) {
  const std::pair<double, double> read[] = {{-9.489279747009277, -9.489279747009276},
                                            {-3.7942986488342285, -3.794298648834229},
                                            {-3.9747941493988037, -3.974794149398804},
                                            {-7.4975690841674805, -7.49756908416748},
                                            {-7.606119632720947, -7.606119632720947},
                                            {-100, -100},
                                            {0, 0},
                                            {0.5, 0.5}};
  for (const auto& [number, expected] : read) EXPECT_EQ(AsLibraryReads(number), expected) << number;
}

TEST(LibraryNumbersTest, TheSmallestAndTheGreatestStayFinite) {
  EXPECT_NEAR(AsLibraryReads(5e-324) / 5e-324, 1, 1e-9);
  EXPECT_NEAR(AsLibraryReads(1.7976931348623157e308) / 1.7976931348623157e308, 1, 1e-9);
}

TEST(LibraryNumbersTest, OnlyScoresOfUnigramModelsChange) {
  nlohmann::json unigram = nlohmann::json::parse(
      R"({"model": {"type": "Unigram", "vocab": [["99", -9.489279747009277], ["9", 1]]}})");
  ReadScoresAsLibrary(unigram);
  EXPECT_EQ(unigram["model"]["vocab"][0][1], -9.489279747009276);
  EXPECT_EQ(unigram["model"]["vocab"][1][1], 1);
  for (const char* text : {"[]", "{}", R"({"model": []})", R"({"model": {"type": "Unigram", "vocab": 1}})",
                           R"({"model": {"type": "Unigram", "vocab": [1, ["a"], ["a", "b"]]}})",
                           R"({"model": {"type": "BPE", "vocab": {"a": 1.5}}})"}) {
    nlohmann::json other = nlohmann::json::parse(text);
    const nlohmann::json before = other;
    ReadScoresAsLibrary(other);
    EXPECT_EQ(other, before) << text;
  }
}

}  // namespace
}  // namespace kprune
