// .json and .conll as people have them.
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/input/data/small_tokenizer.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class JsonTest : public SmallTokenizerTest {};

TEST_F(JsonTest, Examples) {
  const std::string items = R"([{"text": "good", "label": 1}, {"text": "bad [\"]", "label": 0}])";
  const std::vector<Sample> array = Samples("a.json", items);
  ASSERT_THAT(array, SizeIs(2));
  EXPECT_THAT(array[0].input_ids, ElementsAre(2, 5, 3));
  EXPECT_EQ(array[1].line, 2);
  EXPECT_THAT(Samples("a.json", absl::StrCat(R"({"version": {"x": [1]}, "data": )", items, "}")), SizeIs(2));
  EXPECT_THAT(Samples("a.json", "\xef\xbb\xbf[\n  {\n    \"text\": \"good\"\n  }\n]\n"), SizeIs(1));
  EXPECT_THAT(Samples("a.json", "{\"text\": \"good\"}\n{\"text\": \"bad\"}\n"), SizeIs(2))
      << "lines, as often";
  EXPECT_THAT(Samples("a.json", "{\"text\": \"good\"}"), SizeIs(1));
}

TEST_F(JsonTest, ArticlesOfSquadAreQuestions) {
  limits_.label_kind = LabelKind::kSpan;
  const std::string squad = R"({"data": [{"title": "t", "paragraphs": [
    {"context": "bad good", "qas": [
      {"id": "1", "question": "good", "answers": [{"text": "good", "answer_start": 4}, {"text": "bad", "answer_start": 0}]},
      {"id": "2", "question": "bad", "is_impossible": true, "answers": [], "plausible_answers": [{"text": "bad"}]}]},
    {"context": "bad bad", "qas": [{"id": "3", "question": "good", "answers": [{"text": "bad", "answer_start": 0}]}]}]},
    {"title": "none", "paragraphs": []}, {"paragraphs": [{"context": "good", "qas": []}]}], "version": "v2.0"})";
  const absl::StatusOr<SampleSet> set = Read("a.json", squad);
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_THAT(set->samples, SizeIs(2));
  EXPECT_THAT(set->samples[0].input_ids, ElementsAre(2, 5, 3, 7, 5, 3));
  EXPECT_THAT(set->samples[0].window->question->answers, ElementsAre("good", "bad"));
  EXPECT_EQ(set->samples[1].line, 3);
  EXPECT_EQ(set->left_out, 1);
  const std::string unlabelled =
      R"({"data": [{"paragraphs": [{"context": "bad good", "qas": [{"question": "good"}]}]}]})";
  EXPECT_FALSE(Read("a.json", unlabelled)->labelled);
}

TEST_F(JsonTest, BrokenItemsAreRefusedByNumber) {
  EXPECT_THAT(Refusal("a.json", R"([{"text": "good"}, {"text": 7}])"), HasSubstr("item 2: text is 7"));
  EXPECT_THAT(Refusal("a.json", R"([{"text": "good"}, 7])"),
              HasSubstr("item 2: the line is 7, accepted is an object"));
  EXPECT_THAT(Refusal("a.json", R"([{"text": "good"} {"text": "bad"}])"),
              HasSubstr("item 2: there is neither , nor ]"));
  EXPECT_THAT(Refusal("a.json", R"([{"text": "good"}, ])"), HasSubstr("item 2: a value is missing"));
  EXPECT_THAT(Refusal("a.json", R"([{"text": "good"},)"), HasSubstr("item 2: the file ends in the middle"));
  EXPECT_THAT(Refusal("a.json", R"([{"text": "good)"), HasSubstr("item 1: the file ends in the middle"));
  EXPECT_THAT(Refusal("a.json", R"([{"text": "good}"])"), HasSubstr("item 1: the item is not valid JSON"));
  EXPECT_THAT(Refusal("a.json", R"([{"text" "good"}])"), HasSubstr("item 1: the item is not valid JSON"));
  EXPECT_THAT(Refusal("a.json", absl::StrCat("[{\"text\": \"", std::string(kMaxLineBytes, 'x'), "\"}]")),
              HasSubstr("item 1: the item has 1048588 bytes, at most 1048576"));
  for (const char* no_list :
       {"7", "{\"rows\": [1]", "\"text\"", "{\n\"rows\": []}", "{\"data\": 7,\n\"a\": 1}"})
    EXPECT_THAT(Refusal("a.json", no_list), HasSubstr("a.json")) << no_list;
  EXPECT_THAT(Refusal("a.json", "{\"text\": \"good\"}\n{\"text\": 7}\n"),
              HasSubstr("a.json, line 2: text is 7"));
  EXPECT_THAT(Refusal("a.json", "[]"), HasSubstr("there is no sample"));
  EXPECT_THAT(Refusal("a.json", "{\n\"rows\": [7]}"),
              HasSubstr("is no list of records: accepted is an array of objects"));
}

TEST_F(JsonTest, NothingIsReadPast) {
  const std::string array = R"([{"text": "good"}])";
  for (const char* behind : {" \n\t", "\r\n"})
    EXPECT_THAT(Samples("a.json", absl::StrCat(array, behind)), SizeIs(1));
  for (const std::string& behind :
       {std::string("[{\"text\": \"bad\"}]"), std::string("]"), std::string("x"), std::string(1, '\0')}) {
    EXPECT_THAT(Refusal("a.json", absl::StrCat(array, "\n", behind)),
                HasSubstr("item 2: the array ends before it, but more follows: a file holds one array"));
  }
  const std::string data = absl::StrCat("{\"data\": ", array);
  EXPECT_THAT(Samples("a.json", absl::StrCat(data, ", \"version\": [1, {}], \"n\": 7}\n")), SizeIs(1));
  for (const char* open : {"", ", \"version\": 1", ", \"version\" 1}", "]"})
    EXPECT_THAT(Refusal("a.json", absl::StrCat(data, open)),
                HasSubstr("item 2: the array ends before it, but the object around it is not closed"));
  EXPECT_THAT(Refusal("a.json", absl::StrCat(data, ", \"version\": \"v}")),
              HasSubstr("item 2: the file ends in the middle"));
  EXPECT_THAT(Refusal("a.json", absl::StrCat(data, "}\n{}")), HasSubstr("but more follows"));
}

class ConllTest : public SmallTokenizerTest {
 protected:
  ConllTest() {
    limits_.label_kind = LabelKind::kTokenClass;
    limits_.num_labels = 3;
    limits_.label2id = {{"O", 0}, {"B-X", 1}, {"I-X", 2}};
  }
};

TEST_F(ConllTest, Examples) {
  const std::string conll = "-DOCSTART- -X- O O\n\ngoodly NN I-NP B-X\nbad NN I-NP O\n\n\nbad NN I-NP O\n";
  for (const char* name : {"a.conll", "a.txt"}) {
    const std::vector<Sample> sentences = Samples(name, conll);
    ASSERT_THAT(sentences, SizeIs(2)) << name;
    EXPECT_THAT(sentences[0].input_ids, ElementsAre(2, 5, 6, 7, 3));
    EXPECT_THAT(sentences[0].labels, ElementsAre(1, 0));
    EXPECT_EQ(sentences[0].line, 3);
    EXPECT_EQ(sentences[1].line, 7);
  }
  EXPECT_THAT(Samples("a.conll", "good bad\tB-X\r\nbad\tO\r\n")[0].labels, ElementsAre(1, 0)) << "tabs";
  EXPECT_THAT(Samples("a.conll", "good\nbad\n\nbad")[0].labels, IsEmpty());
}

TEST_F(ConllTest, TextWithoutTagsStaysText) {
  const std::vector<Sample> texts = Samples("a.txt", "good bad\nbad good\n");
  ASSERT_THAT(texts, SizeIs(2));
  EXPECT_THAT(texts[0].input_ids, ElementsAre(2, 5, 7, 3));
  limits_.label_kind = LabelKind::kClass;
  EXPECT_THAT(Samples("a.txt", "good B-X\nbad O\n"), SizeIs(2));
}

TEST_F(ConllTest, BrokenSentencesAreRefusedByTheirFirstLine) {
  EXPECT_THAT(Refusal("a.conll", "good O\n\nbad O\ngood\n"),
              HasSubstr("line 3: the word \"good\" has 1 columns, the first one of the sentence 2"));
  EXPECT_THAT(Refusal("a.conll", "good B-Y\n"), HasSubstr("line 1: tags: the label is \"B-Y\""));
  EXPECT_THAT(Refusal("a.conll", "g\xff O\n"), HasSubstr("line 1: the sentence is not UTF-8 at byte 2"));
  std::string endless;
  while (endless.size() < static_cast<size_t>(kMaxLineBytes)) endless += "good O\n";
  EXPECT_THAT(Refusal("a.conll", endless), HasSubstr("line 1: the sentence has more than 1048576 bytes"));
}

}  // namespace
}  // namespace kprune
