// Which column is what: data sets as they are published, and files that must be asked about.
#include "engine/data/columns.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

// The columns that get a role, each with the value "x".
absl::StatusOr<std::map<std::string, std::string>> Roles(const std::vector<std::string>& columns,
                                                         const SampleLimits& limits) {
  nlohmann::json record = nlohmann::json::object();
  for (const std::string& column : columns) record[column] = "x";
  const absl::StatusOr<RecordFields> fields = RecordFields::Of(record, limits);
  if (!fields.ok()) return fields.status();
  std::map<std::string, std::string> roles;
  for (const char* role :
       {"text", "text_pair", "label", "tokens", "tags", "question", "context", "answers", "choices"}) {
    if (fields->Find(role) != nullptr) roles[role] = fields->Find(role)->name;
  }
  return roles;
}

SampleLimits Limits(LabelKind kind, std::map<std::string, std::string, std::less<>> columns = {}) {
  SampleLimits limits;
  limits.label_kind = kind;
  limits.num_labels = 2;
  limits.columns = std::move(columns);
  return limits;
}

TEST(ColumnsTest, Examples) {
  nlohmann::json record = {{"Sentence1", "a"}, {"sentence2", "b"}, {"gold_label", "neutral"}, {"pairID", 7}};
  const absl::StatusOr<RecordFields> fields = RecordFields::Of(record, Limits(LabelKind::kClass));
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_EQ(fields->Find("text")->name, "Sentence1");
  EXPECT_EQ(fields->Find("text")->value, "a");
  EXPECT_EQ(fields->Find("text_pair")->value, "b");
  EXPECT_EQ(fields->Find("label")->value, "neutral");
  EXPECT_EQ(fields->Find("tokens"), nullptr);
}

struct DataSet {
  const char* name;
  LabelKind kind;
  std::vector<std::string> columns;
  std::map<std::string, std::string> roles;
};

class DataSetTest : public testing::TestWithParam<DataSet> {};

TEST_P(DataSetTest, IsUnderstoodAsItIsPublished) {
  const auto roles = Roles(GetParam().columns, Limits(GetParam().kind));
  ASSERT_TRUE(roles.ok()) << roles.status();
  EXPECT_EQ(*roles, GetParam().roles);
}

using Kind = LabelKind;
INSTANTIATE_TEST_SUITE_P(
    Published, DataSetTest,
    testing::Values(
        DataSet{
            "sst2", Kind::kClass, {"idx", "sentence", "label"}, {{"text", "sentence"}, {"label", "label"}}},
        DataSet{"imdb", Kind::kClass, {"review", "sentiment"}, {{"text", "review"}, {"label", "sentiment"}}},
        DataSet{"ag_news",
                Kind::kClass,
                {"Class Index", "Title", "Description"},
                {{"text", "Description"}, {"label", "Class Index"}}},
        DataSet{"mnli",
                Kind::kClass,
                {"premise", "hypothesis", "label", "idx"},
                {{"text", "premise"}, {"text_pair", "hypothesis"}, {"label", "label"}}},
        DataSet{"mnli_tsv",
                Kind::kClass,
                {"index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence1", "sentence2",
                 "label1", "gold_label"},
                {{"text", "sentence1"}, {"text_pair", "sentence2"}, {"label", "gold_label"}}},
        DataSet{"qqp",
                Kind::kClass,
                {"question1", "question2", "label"},
                {{"text", "question1"}, {"text_pair", "question2"}, {"label", "label"}}},
        DataSet{"qnli",
                Kind::kClass,
                {"question", "sentence", "label", "idx"},
                {{"text", "question"}, {"text_pair", "sentence"}, {"label", "label"}}},
        DataSet{"mrpc",
                Kind::kClass,
                {"Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"},
                {{"text", "#1 String"}, {"text_pair", "#2 String"}}},
        DataSet{"stsb",
                Kind::kRegression,
                {"sentence1", "sentence2", "score", "genre"},
                {{"text", "sentence1"}, {"text_pair", "sentence2"}, {"label", "score"}}},
        DataSet{
            "amazon", Kind::kClass, {"label", "title", "content"}, {{"text", "content"}, {"label", "label"}}},
        DataSet{"reviews",
                Kind::kClass,
                {"review_id", "stars", "review_body", "product_category"},
                {{"text", "review_body"}, {"label", "stars"}}},
        DataSet{"go_emotions",
                Kind::kMultiLabel,
                {"text", "labels", "id"},
                {{"text", "text"}, {"label", "labels"}}},
        DataSet{"conll2003",
                Kind::kTokenClass,
                {"id", "tokens", "pos_tags", "chunk_tags", "ner_tags"},
                {{"tokens", "tokens"}, {"tags", "ner_tags"}}},
        DataSet{"squad",
                Kind::kSpan,
                {"id", "title", "context", "question", "answers"},
                {{"question", "question"}, {"context", "context"}, {"answers", "answers"}}},
        DataSet{"marco",
                Kind::kClass,
                {"query", "passage", "label"},
                {{"text", "query"}, {"text_pair", "passage"}, {"label", "label"}}},
        DataSet{"corpus", Kind::kAny, {"id", "passage"}, {{"text", "passage"}}},
        DataSet{"hellaswag",
                Kind::kChoice,
                {"ind", "ctx_a", "ctx_b", "ctx", "endings", "label"},
                {{"text", "ctx"}, {"choices", "endings"}, {"label", "label"}}},
        DataSet{"piqa",
                Kind::kChoice,
                {"goal", "sol1", "sol2", "label"},
                {{"text", "goal"}, {"choices", "sol1"}, {"label", "label"}}},
        DataSet{"masks", Kind::kMaskedToken, {"text", "label"}, {{"text", "text"}}}),
    [](const testing::TestParamInfo<DataSet>& info) { return std::string(info.param.name); });

TEST(ColumnsTest, OurOwnNamesComeFirst) {
  const auto roles =
      Roles({"text", "sentence", "sentence1", "sentence2", "label", "labels"}, Limits(Kind::kClass));
  ASSERT_TRUE(roles.ok()) << roles.status();
  EXPECT_EQ(*roles, (std::map<std::string, std::string>{{"text", "text"}, {"label", "label"}}));
}

std::string Refusal(const std::vector<std::string>& columns, const SampleLimits& limits) {
  const absl::Status status = Roles(columns, limits).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ColumnsTest, WhatCouldBeTwoThingsIsAskedFor) {
  EXPECT_EQ(Refusal({"review", "comment", "label"}, Limits(Kind::kClass)),
            "the text could be \"review\" or \"comment\": name it with --columns text=NAME");
  EXPECT_EQ(
      Refusal({"premise", "hypothesis", "sentence1", "sentence2"}, Limits(Kind::kClass)),
      "the text could be \"sentence1\" with \"sentence2\" or \"premise\" with \"hypothesis\": name it with "
      "--columns text=NAME");
  EXPECT_EQ(Refusal({"text", "category", "Sentiment"}, Limits(Kind::kClass)),
            "the label could be \"category\" or \"Sentiment\": name it with --columns label=NAME");
  EXPECT_THAT(Refusal({"query", "passage"}, Limits(Kind::kAny)), HasSubstr("\"query\" or \"passage\""));
}

TEST(ColumnsTest, WhatIsNotThereIsAskedFor) {
  EXPECT_EQ(Refusal({"a", "b"}, Limits(Kind::kClass)),
            "there is no \"text\" (found: \"a\", \"b\"): name it with --columns text=NAME");
  EXPECT_THAT(Refusal({"context"}, Limits(Kind::kSpan)), HasSubstr("there is no \"question\""));
  EXPECT_THAT(Refusal({"question", "ending0"}, Limits(Kind::kChoice)), HasSubstr("there is no \"choices\""));
  EXPECT_THAT(Refusal({"a"}, Limits(Kind::kTokenClass)), HasSubstr("neither \"tokens\""));
}

TEST(ColumnsTest, TheUserDecides) {
  const std::vector<std::string> columns = {"review", "comment", "stars", "label"};
  const auto named = Roles(columns, Limits(Kind::kClass, {{"text", "comment"}, {"label", "stars"}}));
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(*named, (std::map<std::string, std::string>{{"text", "comment"}, {"label", "stars"}}));
  const auto unlabelled = Roles(columns, Limits(Kind::kClass, {{"text", "Comment"}, {"label", ""}}));
  ASSERT_TRUE(unlabelled.ok()) << unlabelled.status();
  EXPECT_EQ(*unlabelled, (std::map<std::string, std::string>{{"text", "comment"}}));
  const auto alone = Roles({"sentence1", "sentence2"}, Limits(Kind::kClass, {{"text_pair", ""}}));
  ASSERT_TRUE(alone.ok()) << alone.status();
  EXPECT_EQ(*alone, (std::map<std::string, std::string>{{"text", "sentence1"}}));
  EXPECT_EQ(
      Refusal(columns, Limits(Kind::kClass, {{"text", "body"}})),
      "there is no column \"body\", which --columns text names (found: \"comment\", \"label\", \"review\", "
      "\"stars\")");
  EXPECT_THAT(
      std::string(CheckColumns(Limits(Kind::kSpan, {{"text", "a"}})).message()),
      HasSubstr("--columns names \"text\", of which the model's task makes nothing, accepted are question"));
}

TEST(ColumnsTest, SeveralLabelsMayHaveAColumnEach) {
  SampleLimits limits = Limits(Kind::kMultiLabel);
  limits.label2id = {{"toxic", 1}, {"Severe Toxic", 0}};
  const absl::StatusOr<RecordFields> fields =
      RecordFields::Of({{"comment_text", "x"}, {"toxic", "0"}, {"severe_toxic", "1"}, {"id", "7"}}, limits);
  ASSERT_TRUE(fields.ok()) << fields.status();
  EXPECT_EQ(fields->Find("label")->value, (nlohmann::json{"1", "0"}));
}

}  // namespace
}  // namespace kprune
