#include "kprune/rounding.h"

#include "gtest/gtest.h"

namespace kprune {
namespace {

TEST(Rounding, Examples) {
  EXPECT_EQ(ParseRounding("heads:2,neurons:16"), (Rounding{2, 16}));
  EXPECT_EQ(ParseRounding("neurons:64"), (Rounding{1, 64}));
  EXPECT_EQ(ToString({2, 16}), "heads:2,neurons:16");
}

TEST(Rounding, WhatIsWrittenIsReadBack) {
  for (const Rounding& rounding : {Rounding{}, Rounding{3, 1}, Rounding{1, kMostRounding}})
    EXPECT_EQ(ParseRounding(ToString(rounding)), rounding);
  EXPECT_EQ(ParseRounding("neurons:8,heads:2"), (Rounding{2, 8}));
}

TEST(Rounding, AnythingElseIsRefused) {
  for (const char* text : {"", "16", "heads", "heads:", "heads:0", "heads:-1", "heads:1.5", "heads:2,",
                           ",heads:2", "heads:2,heads:2", "neurons:1025", "neurons:16 ", "neurons: 16",
                           "units:2", "heads:2;neurons:4", "neurons:99999999999999999999"})
    EXPECT_FALSE(ParseRounding(text)) << text;
}

}  // namespace
}  // namespace kprune
