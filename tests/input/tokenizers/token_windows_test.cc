#include "engine/tokenizers/token_windows.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

using testing::ElementsAre;

TEST(TokenWindows, Examples) {
  EXPECT_THAT(TokenWindows(3, 8, 4, false), ElementsAre(TokenWindow{0, 3}));
  EXPECT_THAT(TokenWindows(10, 4, 1, false),
              ElementsAre(TokenWindow{0, 4}, TokenWindow{3, 7}, TokenWindow{6, 10}));
}

// As transformers 4.57 makes them with truncation="only_second", stride and return_overflowing_tokens.
TEST(TokenWindows, TheLastOneIsShorterOnTheSideWhereTheTextEnds) {
  EXPECT_THAT(TokenWindows(9, 4, 1, false),
              ElementsAre(TokenWindow{0, 4}, TokenWindow{3, 7}, TokenWindow{6, 9}));
  EXPECT_THAT(TokenWindows(9, 4, 1, true),
              ElementsAre(TokenWindow{5, 9}, TokenWindow{2, 6}, TokenWindow{0, 3}));
}

}  // namespace
}  // namespace kprune
