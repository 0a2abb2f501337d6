// CSV and TSV as people have them.
#include <string>
#include <vector>

#include "tests/input/data/small_tokenizer.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class TableTest : public SmallTokenizerTest {
 protected:
  // The good and bad words of every text, as "g" and "b", and "?" for others.
  std::vector<std::string> Words(std::string_view name, std::string_view contents) {
    std::vector<std::string> texts;
    for (const Sample& sample : Samples(name, contents)) {
      std::string& text = texts.emplace_back();
      for (const int32_t id : sample.input_ids) {
        if (id == 5 || id == 7) text += id == 5 ? 'g' : 'b';
        if (id == 1) text += '?';
      }
    }
    return texts;
  }
};

TEST_F(TableTest, Examples) {
  const std::vector<Sample> csv = Samples("a.csv", "text,label\ngood,1\n\"bad, bad\",0\n");
  ASSERT_THAT(csv, SizeIs(2));
  EXPECT_THAT(csv[0].input_ids, ElementsAre(2, 5, 3));
  EXPECT_THAT(csv[0].labels, ElementsAre(1));
  EXPECT_THAT(csv[1].input_ids, ElementsAre(2, 7, 1, 7, 3));
  EXPECT_EQ(csv[1].line, 3);

  const std::vector<Sample> tsv = Samples("a.tsv", "sentence\tlabel\ngood\tpositive\nbad\tNEGATIVE\n");
  ASSERT_THAT(tsv, SizeIs(2));
  EXPECT_THAT(tsv[0].labels, ElementsAre(1));
  EXPECT_THAT(tsv[1].labels, ElementsAre(0));
}

TEST_F(TableTest, QuotesFollowRfc4180) {
  EXPECT_THAT(Words("a.csv", "text,label\n\"good\nbad\",1\nbad,0\n"), ElementsAre("gb", "b")) << "line end";
  EXPECT_THAT(Words("a.csv", "text,label\r\n\"good\r\nbad\",1\r\nbad,0\r\n"), ElementsAre("gb", "b"));
  EXPECT_THAT(Words("a.csv", "text\n\"good \"\"bad\"\" good\"\n"), ElementsAre("g?b?g")) << "doubled quotes";
  EXPECT_THAT(Words("a.csv", "text,label\ngood \"bad\" good,1\n"), ElementsAre("g?b?g")) << "a quote within";
  EXPECT_THAT(Words("a.csv", "text,label\n\"good\",\"1\""), ElementsAre("g")) << "no line end at the end";
  EXPECT_THAT(Words("a.csv", "text,label\n\n\"good\n\nbad\",1\n\n"), ElementsAre("gb")) << "blank lines";
  const std::vector<Sample> samples = Samples("a.csv", "text\n\"good\n\nbad\"\nbad\n");
  EXPECT_EQ(samples[0].line, 2);
  EXPECT_EQ(samples[1].line, 5);
}

TEST_F(TableTest, TheFirstRowSaysWhatSeparates) {
  for (const char delimiter : {',', ';', '\t', '|'}) {
    const std::string d(1, delimiter);
    EXPECT_THAT(Words("a.csv", "id" + d + "text" + d + "label\n7" + d + "good" + d + "1\n"), ElementsAre("g"))
        << d;
  }
  EXPECT_THAT(Words("a.csv", "text\ngood\n"), ElementsAre("g"));
  EXPECT_THAT(Words("a.csv", "\xef\xbb\xbftext,label\ngood,1\n"), ElementsAre("g")) << "byte order mark";
  EXPECT_THAT(Words("a.CSV", "Text, Label\ngood,1\n"), ElementsAre("g"));
  EXPECT_THAT(Words("a.csv", ",text,label\n0,good,1\n"), ElementsAre("g")) << "an index without a name";
}

TEST_F(TableTest, QuotesInTsvAreTextUnlessTheFieldIsWellQuoted) {
  EXPECT_THAT(Words("a.tsv", "text\tlabel\n\"good bad\t1\ngood\" bad\t0\n"), ElementsAre("?gb", "g?b"));
  EXPECT_THAT(Words("a.tsv", "text\tlabel\n\"good \"\"bad\"\"\"\t1\n\"good\" \"bad\"\t0\n"),
              ElementsAre("g?b?", "?g??b?"));
  EXPECT_THAT(Words("a.tsv", "text\tlabel\n\"\t1\n\"\"\"\t1\n"), ElementsAre("?", "???"));
}

TEST_F(TableTest, ColumnsWithoutNamesAreAskedForOrNumbered) {
  EXPECT_THAT(
      Refusal("a.csv", "good,1\nbad,0\n"),
      AllOf(HasSubstr("line 1: the first row has no column name that is known (found: \"good\", \"1\")"),
            HasSubstr("--columns text=NAME")));
  limits_.columns = {{"text", "1"}, {"label", "2"}};
  const std::vector<Sample> samples = Samples("a.csv", "good,1\nbad,0\n");
  ASSERT_THAT(samples, SizeIs(2));
  EXPECT_THAT(samples[0].labels, ElementsAre(1));
  EXPECT_EQ(samples[1].line, 2);
  EXPECT_THAT(Refusal("a.csv", "text,label\ngood,1\n"),
              HasSubstr("there is no column \"2\", which --columns label names"));
  limits_.columns = {{"text", "Body of mail"}};
  EXPECT_THAT(Samples("a.csv", "x,Body of mail,label\n1,good,1\n"), SizeIs(1));
}

TEST_F(TableTest, EmptyCellsAreAbsent) {
  const absl::StatusOr<SampleSet> set = Read("a.csv", "text,text_pair,label\ngood,,\nbad,bad,\n");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_FALSE(set->labelled);
  EXPECT_THAT(set->samples[0].input_ids, ElementsAre(2, 5, 3));
  EXPECT_THAT(set->samples[1].input_ids, ElementsAre(2, 7, 3, 7, 3));
  EXPECT_THAT(Refusal("a.csv", "review,label\n,1\n"), HasSubstr("line 2: review is empty: remove the line"));
}

TEST_F(TableTest, BrokenTablesAreRefusedByLine) {
  EXPECT_THAT(Refusal("a.csv", "text,label\ngood,1,\n"),
              HasSubstr("line 2: the row has 3 fields, the first row 2: quote fields that hold ','"));
  EXPECT_THAT(Refusal("a.tsv", "text\tlabel\ngood\n"),
              HasSubstr("line 2: the row has 1 fields, the first row 2"));
  EXPECT_THAT(Refusal("a.csv", "text,label\n\"good\"bad,1\n"),
              HasSubstr("line 2: field 1 goes on behind its closing quote (\"good\")"));
  EXPECT_THAT(Refusal("a.csv", "text,label\n\"good,1\n"),
              HasSubstr("line 2: the quote that field 1 begins with"));
  EXPECT_THAT(Refusal("a.csv", "text,text\ngood,bad\n"),
              HasSubstr("line 1: the column \"text\" is there twice"));
  EXPECT_THAT(Refusal("a.csv", "text,label\ngo\xe9od,1\n"),
              HasSubstr("line 2: the row is not UTF-8 at byte 3 (e9)"));
  EXPECT_THAT(Refusal("a.csv", std::string("text\ng\0d\n", 9)),
              HasSubstr("line 2: the row is not UTF-8 at byte 2 (00)"));
  EXPECT_THAT(Refusal("a.csv", "text\n\"" + std::string(kMaxLineBytes, 'x')),
              HasSubstr("line 2: the row has more than"));
  EXPECT_THAT(Refusal("a.csv", ""), HasSubstr("there is no sample"));
  EXPECT_THAT(Refusal("a.csv", "text,label\n"), HasSubstr("there is no sample"));
}

}  // namespace
}  // namespace kprune
