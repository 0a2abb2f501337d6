#include "engine/data/error_list.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/data/small_tokenizer.h"

namespace kprune {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ErrorListTest, Examples) {
  ErrorList errors;
  EXPECT_TRUE(errors.status().ok());
  errors.Add("a.jsonl", "line", 3, absl::InvalidArgumentError("text is empty"));
  errors.Add("a.jsonl", "line", 7, absl::InvalidArgumentError("the label is 9"));
  errors.Add("a.jsonl", "line", 8, absl::InvalidArgumentError("the label is 9"));
  errors.Add("b.safetensors", "row", 2, absl::InvalidArgumentError("it is all padding"));
  errors.Add(absl::InvalidArgumentError("c.csv is damaged"));
  EXPECT_EQ(errors.status(),
            absl::InvalidArgumentError(
                "a.jsonl, line 3: text is empty; lines 7, 8: the label is 9; b.safetensors, row 2: "
                "it is all padding; c.csv is damaged"));
}

TEST(ErrorListTest, TenAreListedAndTheOthersCounted) {
  ErrorList errors;
  for (int line = 1; line <= 250; ++line)
    errors.Add("a.jsonl", "line", line, absl::InvalidArgumentError(absl::StrCat("problem ", line)));
  const std::string message(errors.status().message());
  EXPECT_THAT(message, HasSubstr("line 10: problem 10"));
  EXPECT_THAT(message, Not(HasSubstr("line 11")));
  EXPECT_THAT(message, EndsWith("; and 240 more"));
}

TEST(ErrorListTest, ItStaysShort) {
  ErrorList errors;
  for (int line = 1; line <= 20; ++line) {
    std::string problem = std::to_string(line);
    for (int i = 0; i < 10'000; ++i) problem += "\xc3\xa9";
    errors.Add("a.jsonl", "line", line, absl::InvalidArgumentError(problem));
  }
  EXPECT_LT(errors.status().message().size(), 4'500u);
}

class ListedErrorsTest : public SmallTokenizerTest {};

TEST_F(ListedErrorsTest, AllFilesAreReadBeforeTheyAreRefused) {
  const auto a = Write(
      "a.jsonl", "{\"text\": \"good\", \"label\": \"grate\"}\n{\"text\": \"good\", \"label\": 1}\n{}\n");
  const auto b = Write("b.csv", "text,label\nbad,0\nbad,2\nbad,\n");
  const absl::Status status = Read({a, b}).status();
  EXPECT_EQ(std::string(status.message()),
            absl::StrCat(
                a.string(),
                ", line 1: the label is \"grate\", accepted is a whole number from 0 to 1 or a class name "
                "(\"NEGATIVE\", \"POSITIVE\"); line 3: there is no \"text\" (found: nothing): name it with "
                "--columns text=NAME; ",
                b.string(),
                ", line 3: the label is 2, accepted is a whole number from 0 "
                "to 1 or a class name (\"NEGATIVE\", \"POSITIVE\"); line 4: there is no label, but ",
                a.string(), ", line 2 has 1 label(s): label all samples alike or none"));
}

}  // namespace
}  // namespace kprune
