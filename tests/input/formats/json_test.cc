#include "engine/formats/json.h"

#include <string>

#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/written_file.h"

namespace kprune {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string ErrorOf(std::string_view text) {
  const absl::StatusOr<nlohmann::json> json = ParseJson(text, "config.json");
  EXPECT_EQ(json.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(json.status().message());
}

TEST(Json, Examples) {
  const absl::StatusOr<nlohmann::json> json =
      ParseJson(R"({"layers": 6, "dropout": 0.1, "names": ["a", null, true]})", "x");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ((*json)["layers"], 6);
  EXPECT_EQ((*json)["dropout"], 0.1);
  EXPECT_EQ((*json)["names"].size(), 3u);
  EXPECT_THAT(
      ErrorOf(R"({"layers": 6, "layers": 12})"),
      AllOf(StartsWith("config.json is not valid JSON"), HasSubstr("the key \"layers\" appears twice")));
}

TEST(Json, ParsesTheSameDocumentsAsTheLibrary) {
  for (const char* text : {"null", "true", "-3", "1.5e3", "\"\\u00e9\\ud83d\\ude00\"", "[]", "{}",
                           "[[],{},[{}],0]", R"({"a":{"b":{"c":[1,[2,{"d":3}],4]},"e":5},"f":6})",
                           " \n{\"a\" : [ 1 , 2 ] }\t", R"([{"a":1},{"a":2}])"}) {
    const absl::StatusOr<nlohmann::json> json = ParseJson(text, "x");
    ASSERT_TRUE(json.ok()) << json.status();
    EXPECT_EQ(*json, nlohmann::json::parse(text)) << text;
  }
}

TEST(Json, NumbersKeepTheirKind) {
  EXPECT_TRUE(ParseJson("1", "x")->is_number_unsigned());
  EXPECT_TRUE(ParseJson("-1", "x")->is_number_integer());
  EXPECT_FALSE(ParseJson("1.0", "x")->is_number_integer());
  EXPECT_FALSE(ParseJson("18446744073709551616", "x")->is_number_integer());
  EXPECT_THAT(ErrorOf("1e999"), HasSubstr("a number is too large"));
}

TEST(Json, EqualKeysOfDifferentObjectsAreFineAndOfOneObjectAreNot) {
  EXPECT_TRUE(ParseJson(R"({"a":{"a":1},"b":{"a":1}})", "x").ok());
  EXPECT_THAT(ErrorOf(R"({"b":{"a":1,"\u0061":2}})"), HasSubstr("the key \"a\" appears twice"));
}

TEST(Json, DepthIsLimited) {
  const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(ParseJson(nested(kMaxJsonDepth), "x").ok());
  EXPECT_THAT(ErrorOf(nested(kMaxJsonDepth + 1)), HasSubstr("nested more than 64 deep"));
}

TEST(Json, ValuesAreLimitedSoThatASmallTextCannotTakeAllMemory) {
  std::string text = "[0";
  for (int i = 0; i < 4'000'000; ++i) text += ",0";
  EXPECT_THAT(ErrorOf(text + "]"), HasSubstr("more than 4000000 values"));
}

TEST(Json, WhatIsNotJsonIsRefusedOnOneLineOfValidUtf8) {
  for (const std::string text :
       {"", "{", "[1,]", "{\"a\":1,}", "nul", "NaN", "Infinity", "01", "'a'", "{} {}", "[1] x", "// c\n1",
        "\"\xff\"", "\"\xed\xa0\x80\"", "\"\\ud800\"", "\"a\nb\"", "\xff\xfe\n", "+1"}) {
    const std::string error = ErrorOf(text);
    EXPECT_THAT(error, StartsWith("config.json is not valid JSON: ")) << text;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
    EXPECT_NO_THROW(nlohmann::json(error).dump()) << "broken UTF-8 in a message";
  }
}

TEST(Json, AFileIsReadUnderItsCap) {
  const TempDirectory folder;
  const auto path = WriteFile(folder, "a.json", "{\"a\":1}");
  EXPECT_TRUE(ReadJsonFile(path).ok());
  const absl::Status status = ReadJsonFile(path, 6).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(path.string()), HasSubstr("7 bytes, at most 6")));
  EXPECT_EQ(ReadJsonFile(folder.path() / "none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ReadJsonFile(WriteFile(folder, "b.json", "[")).status().message()),
              HasSubstr("b.json"));
}

TEST(JsonFields, ReadsTypedFieldsAndRemembersTheFirstError) {
  const nlohmann::json json = {{"flag", true}, {"count", 3}, {"name", "x"}, {"real", 3.0}, {"none", nullptr}};
  JsonFields fields(json, "config.json");
  EXPECT_TRUE(fields.Bool("flag", false));
  EXPECT_EQ(fields.Int("count", 0, 1, 3), 3);
  EXPECT_EQ(fields.String("name", ""), "x");
  EXPECT_EQ(fields.String("none", "fallback"), "fallback");
  EXPECT_EQ(fields.Int("absent", 7, 0, 10), 7);
  EXPECT_TRUE(fields.status().ok());
  EXPECT_EQ(fields.Int("real", 7, 0, 10), 7);
  EXPECT_FALSE(fields.OptionalBool("name").has_value());
  EXPECT_EQ(fields.status(),
            absl::InvalidArgumentError("config.json.real is 3.0, accepted is a whole number from 0 to 10"));
}

TEST(Quoted, KeepsMessagesShortAndValid) {
  EXPECT_EQ(Quoted("a\"b\n"), R"("a\"b\n")");
  EXPECT_EQ(Quoted("\xff"), "\"\xEF\xBF\xBD\"");
  EXPECT_EQ(Quoted(std::string(79, 'a') + "é"),
            "\"" + std::string(79, 'a') + "\"...");  // never half a character
}

}  // namespace
}  // namespace kprune
