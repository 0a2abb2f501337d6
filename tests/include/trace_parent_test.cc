#include "kprune/trace_parent.h"

#include <gtest/gtest.h>

#include <string>

namespace kprune {
namespace {

TEST(TraceParentTest, Examples) {
  const std::string parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  EXPECT_TRUE(IsTraceParent(parent));
  EXPECT_EQ(TraceIdOf(parent), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(TraceIdOf("anything else"), "");
}

TEST(TraceParentTest, ALaterVersionIsReadAsFarAsItIsKnown) {
  EXPECT_TRUE(IsTraceParent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more"));
  EXPECT_TRUE(IsTraceParent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"));
}

TEST(TraceParentTest, WhatIsMalformedIsNone) {
  for (const std::string text : {"", "00", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
                                 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                                 "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00.more",
                                 "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                 "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                 "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                 "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                 "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
                                 "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    EXPECT_FALSE(IsTraceParent(text)) << text;
}

}  // namespace
}  // namespace kprune
