#include "client/quantities.h"

#include <gtest/gtest.h>

namespace kprune::client {
namespace {

TEST(QuantitiesTest, Examples) {
  EXPECT_EQ(FormatCount(1.234e9), "1.23 G");
  EXPECT_EQ(FormatBytes(1.5 * 1024 * 1024), "1.5 MiB");
  EXPECT_EQ(FormatSeconds(245), "4 min 05 s");
  EXPECT_EQ(FormatPercent(0.4987), "49.9 %");
  EXPECT_EQ(ParseBytes("4GiB"), int64_t{4} << 30);
}

TEST(QuantitiesTest, BytesMayHaveAUnitOfEitherKind) {
  EXPECT_EQ(ParseBytes("0"), 0);
  EXPECT_EQ(ParseBytes("4294967296"), int64_t{4} << 30);
  EXPECT_EQ(ParseBytes("7B"), 7);
  EXPECT_EQ(ParseBytes("3KiB"), 3072);
  EXPECT_EQ(ParseBytes("512 MiB"), int64_t{512} << 20);
  EXPECT_EQ(ParseBytes("2TiB"), int64_t{2} << 40);
  EXPECT_EQ(ParseBytes("3KB"), 3000);
  EXPECT_EQ(ParseBytes("512MB"), 512'000'000);
  EXPECT_EQ(ParseBytes("4GB"), 4'000'000'000);
  EXPECT_EQ(ParseBytes("1.5GiB"), int64_t{3} << 29);
  EXPECT_EQ(ParseBytes("9223372036854775807"), INT64_MAX);
}

TEST(QuantitiesTest, WhatNamesNoBytesIsNothing) {
  for (const char* text : {"",
                           " ",
                           "GiB",
                           "-1",
                           "+1",
                           "4 gib",
                           "4Gi",
                           "4G",
                           "4GiB ",
                           " 4GiB",
                           "4  GiB",
                           "1.2.3GiB",
                           ".",
                           "1e9",
                           "0x10",
                           "nan",
                           "inf",
                           "9223372036854775808",
                           "9007199254740992TiB",
                           "1e400",
                           "8388608.5TiB",
                           "4GiBs"}) {
    EXPECT_EQ(ParseBytes(text), std::nullopt) << text;
  }
}

TEST(QuantitiesTest, ATimeHasAUnit) {
  EXPECT_EQ(ParseMilliseconds("5ms"), 5);
  EXPECT_EQ(ParseMilliseconds("2.5 ms"), 2.5);
  EXPECT_EQ(ParseMilliseconds("0.25s"), 250);
  for (const char* text :
       {"", "5", "ms", "s", "0ms", "-1ms", "5 m", "5us", "five ms", "nan ms", "inf s", "1e400s"})
    EXPECT_EQ(ParseMilliseconds(text), std::nullopt) << text;
}

}  // namespace
}  // namespace kprune::client
