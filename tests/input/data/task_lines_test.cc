// Samples of the tasks whose lines are more than a text with a label.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/data/samples.h"
#include "engine/formats/safetensors.h"
#include "engine/tokenizers/unicode.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/written_file.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, good 5, ##ly 6, bad 7.
class TaskLinesTest : public ::testing::Test {
 protected:
  TaskLinesTest() {
    WriteFile(folder_, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ngood\n##ly\nbad\n");
    tokenizer_ = *LoadTokenizer(folder_.path());
    limits_.vocab_size = 8;
    limits_.max_positions = 12;
    limits_.num_labels = 3;
    limits_.label2id = {{"O", 0}, {"B-X", 1}, {"I-X", 2}};
    limits_.mask_token_id = tokenizer_->mask_id();
  }

  absl::StatusOr<SampleSet> Read(LabelKind kind, std::string_view lines) {
    return ReadFile(kind, WriteFile(folder_, "data.jsonl", lines));
  }

  absl::StatusOr<SampleSet> ReadFile(LabelKind kind, const fs::path& path) {
    limits_.label_kind = kind;
    return ReadSamples({path}, tokenizer_.get(), limits_);
  }

  std::vector<Sample> Samples(LabelKind kind, std::string_view lines) {
    const absl::StatusOr<SampleSet> set = Read(kind, lines);
    EXPECT_TRUE(set.ok()) << set.status();
    return set.ok() ? set->samples : std::vector<Sample>();
  }

  void ExpectRefused(LabelKind kind, std::string_view line, const std::string& problem) {
    const absl::Status status = Read(kind, line).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr(", line 1: "));
    EXPECT_THAT(std::string(status.message()), HasSubstr(problem));
  }

  // Tensors of int64.
  fs::path Tensors(
      const std::vector<std::tuple<std::string, std::vector<int64_t>, std::vector<int64_t>>>& all) {
    std::vector<TensorView> views;
    for (const auto& [name, shape, values] : all) {
      views.push_back({name,
                       DType::kI64,
                       shape,
                       {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(int64_t)}});
    }
    const fs::path path = folder_ / "ids.safetensors";
    EXPECT_TRUE(WriteSafetensors(path.string(), views, {}).ok());
    return path;
  }

  TempDirectory folder_;
  std::unique_ptr<Tokenizer> tokenizer_;
  SampleLimits limits_;
};

TEST_F(TaskLinesTest, Examples) {
  // The first piece of a word has its tag.
  const Sample words =
      Samples(LabelKind::kTokenClass, R"({"tokens": ["Goodly", "bad"], "tags": ["B-X", 0]})")[0];
  EXPECT_THAT(words.input_ids, ElementsAre(2, 5, 6, 7, 3));
  EXPECT_THAT(words.positions, ElementsAre(1, 3));
  EXPECT_THAT(words.labels, ElementsAre(1, 0));

  const Sample asked = Samples(
      LabelKind::kSpan, R"({"question": "good", "context": "Bad goodly", "answers": {"text": ["bad"]}})")[0];
  EXPECT_THAT(asked.input_ids, ElementsAre(2, 5, 3, 7, 5, 6, 3));
  EXPECT_EQ(asked.window->first, 3);
  EXPECT_EQ(asked.window->spans[1].begin, 4);
  EXPECT_EQ(asked.window->spans[2].end, 10);
  EXPECT_THAT(asked.window->question->answers, ElementsAre("bad"));

  const std::vector<Sample> choices =
      Samples(LabelKind::kChoice, R"({"text": "good", "choices": ["bad", "good"], "label": 1})");
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_THAT(choices[1].input_ids, ElementsAre(2, 5, 3, 5, 3));
  EXPECT_EQ(choices[1].choice, 1);
  EXPECT_EQ(choices[0].labels, choices[1].labels);

  const Sample masked = Samples(LabelKind::kMaskedToken, R"({"text": "good bad"})")[0];
  ASSERT_THAT(masked.positions, ::testing::SizeIs(1));
  EXPECT_EQ(masked.input_ids[masked.positions[0]], 4);
  EXPECT_EQ(masked.labels[0], masked.positions[0] == 1 ? 5 : 7);
}

TEST_F(TaskLinesTest, WordsNeedNoTagsAndTextsCountWithAllTheirTokens) {
  const Sample words = Samples(LabelKind::kTokenClass, R"({"tokens": ["goodly", "bad"]})")[0];
  EXPECT_THAT(words.positions, ElementsAre(1, 3));
  EXPECT_THAT(words.labels, IsEmpty());
  const Sample text = Samples(LabelKind::kTokenClass, R"({"text": "goodly bad"})")[0];
  EXPECT_THAT(text.positions, ElementsAre(1, 2, 3));
  // Words without a label, and those that do not fit, do not count.
  limits_.max_length = 5;
  const Sample cut = Samples(LabelKind::kTokenClass,
                             R"({"tokens": ["bad", "good", "bad", "good"], "ner_tags": [-100, 2, 1, 1]})")[0];
  EXPECT_THAT(cut.input_ids, ElementsAre(2, 7, 5, 7, 3));
  EXPECT_THAT(cut.positions, ElementsAre(2, 3));
  EXPECT_THAT(cut.labels, ElementsAre(2, 1));
}

TEST_F(TaskLinesTest, WordsThatAreCutOffOnTheLeftTakeTheirTagsAlong) {
  WriteFile(folder_, "tokenizer_config.json", R"({"truncation_side": "left"})");
  tokenizer_ = *LoadTokenizer(folder_.path());
  const std::string line =
      R"({"tokens": ["bad", "goodly", "\u0007", "goodly", "bad"], "tags": ["O", "B-X", "O", "I-X", "O"]})";
  const auto cut = [&](int32_t length) {
    limits_.max_length = length;
    return Samples(LabelKind::kTokenClass, line)[0];
  };
  EXPECT_THAT(cut(12).positions, ElementsAre(1, 2, 4, 6));
  EXPECT_THAT(cut(12).labels, ElementsAre(0, 1, 2, 0)) << "a word without a token has no place";
  EXPECT_THAT(cut(5).input_ids, ElementsAre(2, 5, 6, 7, 3));
  EXPECT_THAT(cut(5).positions, ElementsAre(1, 3));
  EXPECT_THAT(cut(5).labels, ElementsAre(2, 0));
  // Of a word that is cut through, the first piece that is left has its tag, as with transformers'
  // word_ids().
  EXPECT_THAT(cut(6).positions, ElementsAre(1, 2, 4));
  EXPECT_THAT(cut(6).labels, ElementsAre(1, 2, 0));
  EXPECT_THAT(cut(4).positions, ElementsAre(1, 2));
  EXPECT_THAT(cut(4).labels, ElementsAre(2, 0));
}

TEST_F(TaskLinesTest, WordsAreRefusedWhereABlankBelongsToAWordAndNoneIsPutBeforeIt) {
  const fs::path roberta = fs::path(KPRUNE_SOURCE_DIR) / "tests/input/goldens/kinds/roberta";
  for (const char* name : {"vocab.json", "merges.txt"}) fs::copy_file(roberta / name, folder_ / name);
  fs::remove(folder_ / "vocab.txt");
  const std::string words = R"({"tokens": ["the", "the"], "tags": ["O", "O"]})";
  const auto load = [&](const char* config) {
    WriteFile(folder_, "tokenizer_config.json", config);
    tokenizer_ = *LoadTokenizer(folder_.path());
    limits_.vocab_size = tokenizer_->vocab_size();
  };
  load(R"({"tokenizer_class": "RobertaTokenizer"})");
  ExpectRefused(LabelKind::kTokenClass, words, "set \"add_prefix_space\" to true in tokenizer_config.json");
  const std::vector<int32_t> text = Samples(LabelKind::kTokenClass, R"({"text": " the the"})")[0].input_ids;
  load(R"({"tokenizer_class": "RobertaTokenizer", "add_prefix_space": true})");
  EXPECT_EQ(Samples(LabelKind::kTokenClass, words)[0].input_ids, text);
}

TEST_F(TaskLinesTest, LongContextsBecomeWindowsThatOverlapAndCoverThem) {
  std::string context = "bad";
  for (int i = 0; i < 30; ++i) context += " good";
  const std::vector<Sample> windows =
      Samples(LabelKind::kSpan, "{\"question\": \"bad\", \"context\": \"" + context + "\"}");
  ASSERT_GT(windows.size(), 2u);
  int32_t covered = 0;
  for (const Sample& window : windows) {
    EXPECT_LE(window.input_ids.size(), 12u);
    EXPECT_EQ(window.window->question, windows[0].window->question);
    EXPECT_LE(window.window->spans.front().begin, covered) << "no gap";
    EXPECT_GT(window.window->spans.back().end, covered) << "none in vain";
    covered = window.window->spans.back().end;
  }
  EXPECT_EQ(covered, static_cast<int32_t>(context.size()));
  EXPECT_THAT(LineOffsets(windows), ElementsAre(0, static_cast<int64_t>(windows.size())));
  EXPECT_EQ(NumLines(windows), 1);
}

TEST_F(TaskLinesTest, ALineThatMakesTooManySequencesIsRefused) {
  std::string context = "bad", choices = "\"bad\"";
  for (int i = 0; i < 1200; ++i) context += " good", choices += ", \"good\"";
  const std::string question = "bad bad bad bad bad bad bad bad";  // leaves room for one token
  ExpectRefused(
      LabelKind::kSpan, absl::StrCat(R"({"question": ")", question, R"(", "context": ")", context, "\"}"),
      "the context makes 1201 sequences of 1 tokens beside the question, at most 1024 are accepted");
  ExpectRefused(LabelKind::kChoice, absl::StrCat(R"({"text": "good", "choices": [)", choices, "]}"),
                "choices is an array of 1201, accepted is an array of two or more strings, at most 1024");
}

TEST_F(TaskLinesTest, TheSeedAndTheLineDecideWhatIsMasked) {
  std::string line = "{\"text\": \"good";
  for (int i = 0; i < 9; ++i) line += i % 2 == 0 ? " bad" : " good";
  line += "\"}\n";
  limits_.max_positions = 32;
  const std::string lines = line + line + line;
  const std::vector<Sample> samples = Samples(LabelKind::kMaskedToken, lines);
  std::set<std::vector<int32_t>> places;
  for (const Sample& sample : samples) {
    EXPECT_THAT(sample.positions, ::testing::SizeIs(2)) << "15 % of ten";
    EXPECT_EQ(sample.input_ids.front(), 2);
    EXPECT_EQ(sample.input_ids.back(), 3);
    places.insert(sample.positions);
  }
  EXPECT_GT(places.size(), 1u);
  EXPECT_EQ(Samples(LabelKind::kMaskedToken, lines)[1].positions, samples[1].positions);
  limits_.seed = 9;
  const std::vector<Sample> others = Samples(LabelKind::kMaskedToken, lines);
  EXPECT_FALSE(std::equal(others.begin(), others.end(), samples.begin(),
                          [](const Sample& a, const Sample& b) { return a.positions == b.positions; }));
}

TEST_F(TaskLinesTest, ListsMayBeWrittenAsText) {
  // As cells of a table are.
  const Sample words = Samples(LabelKind::kTokenClass, R"({"words": "good bad", "labels": "O B-X"})")[0];
  EXPECT_THAT(words.input_ids, ElementsAre(2, 5, 7, 3));
  EXPECT_THAT(words.labels, ElementsAre(0, 1));
  const Sample json = Samples(LabelKind::kTokenClass, R"({"tokens": "[\"good\"]", "ner_tags": "[2]"})")[0];
  EXPECT_THAT(json.labels, ElementsAre(2));
  const std::vector<Sample> choices = Samples(
      LabelKind::kChoice, R"({"sentence": "good", "ending0": "bad", "ending1": "good", "label": "1"})");
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_THAT(choices[0].input_ids, ElementsAre(2, 5, 3, 7, 3));
  EXPECT_THAT(choices[0].labels, ElementsAre(1));
  const std::vector<Sample> keyed = Samples(
      LabelKind::kChoice,
      R"({"question": "good", "choices": {"label": ["A", "B"], "text": ["bad", "good"]}, "answerKey": "B"})");
  ASSERT_EQ(keyed.size(), 2u);
  EXPECT_THAT(keyed[0].labels, ElementsAre(1));
}

TEST_F(TaskLinesTest, AnswersComeInTheFormsOfTheirDataSets) {
  for (const char* answers : {R"({"text": ["bad"], "answer_start": [0]})", R"(["bad"])", R"("bad")",
                              R"([{"text": "bad", "answer_start": 0}])", R"("{\"text\": [\"bad\"]}")"}) {
    const std::vector<Sample> asked =
        Samples(LabelKind::kSpan,
                absl::StrCat(R"({"question": "good", "context": "bad", "answers": )", answers, "}"));
    ASSERT_EQ(asked.size(), 1u) << answers;
    EXPECT_THAT(asked[0].window->question->answers, ElementsAre("bad")) << answers;
  }
}

TEST_F(TaskLinesTest, QuestionsWithoutAnAnswerAreLeftOutAndCounted) {
  const std::string none = R"({"question": "good", "context": "bad", "answers": {"text": []}})";
  const absl::StatusOr<SampleSet> set =
      Read(LabelKind::kSpan, none + "\n" + R"({"question": "good", "context": "bad", "answers": "bad"})");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(set->samples.size(), 1u);
  EXPECT_EQ(set->left_out, 1);
  EXPECT_EQ(set->available, 2);
  EXPECT_THAT(std::string(Read(LabelKind::kSpan, none).status().message()),
              HasSubstr("there is no sample in the data (1 questions have no answer)"));
}

TEST_F(TaskLinesTest, LinesThatCannotBeReadAreRefused) {
  ExpectRefused(LabelKind::kTokenClass, R"({"pieces": ["good"]})",
                "neither \"tokens\", a list of words, nor \"text\"");
  ExpectRefused(LabelKind::kTokenClass, R"({"tokens": ["good", "bad"], "tags": ["O"]})",
                "accepted is an array of 2");
  ExpectRefused(
      LabelKind::kTokenClass, R"({"tokens": ["good"], "tags": ["B-Y"]})",
      "accepted is a whole number from 0 to 2, -100 for none or a class name (\"B-X\", \"I-X\", \"O\")");
  ExpectRefused(LabelKind::kTokenClass, R"({"tokens": ["good"], "tags": [-100]})", "no token has a label");
  ExpectRefused(LabelKind::kTokenClass, R"({"tokens": [7]})", "tokens holds 7, accepted are strings");
  ExpectRefused(LabelKind::kSpan, R"({"context": "good"})", "there is no \"question\"");
  ExpectRefused(LabelKind::kSpan, R"({"question": "good", "context": "bad", "answers": {"texts": ["bad"]}})",
                "accepted is an object with \"text\"");
  ExpectRefused(LabelKind::kSpan, R"({"question": "good", "context": "bad", "answers": [7]})",
                "answers holds 7, accepted are strings");
  ExpectRefused(LabelKind::kSpan,
                R"({"question": "bad bad bad bad bad bad bad bad bad bad", "context": "bad"})",
                "the question has 10 tokens, which leave no room");
  ExpectRefused(LabelKind::kChoice, R"({"text": "good", "choices": ["bad"]})", "two or more strings");
  ExpectRefused(LabelKind::kChoice, R"({"text": "good", "choices": ["bad", "good"], "label": 2})",
                "a whole number from 0 to 1 or a class name (\"A\", \"B\")");
  limits_.mask_token_id.reset();
  ExpectRefused(LabelKind::kMaskedToken, R"({"text": "good"})", "has no mask token");
}

TEST_F(TaskLinesTest, TokenIdsHaveLabelsOfTheirOwn) {
  const std::vector<int64_t> ids = {2, 5, 7, 3, 2, 7, 3, 0}, mask = {1, 1, 1, 1, 1, 1, 1, 0};
  const std::vector<int64_t> labels = {-100, 1, -100, 2, -100, 0, -100, -100};
  const fs::path path =
      Tensors({{"input_ids", {2, 4}, ids}, {"attention_mask", {2, 4}, mask}, {"labels", {2, 4}, labels}});
  const absl::StatusOr<SampleSet> tokens = ReadFile(LabelKind::kTokenClass, path);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  EXPECT_THAT(tokens->samples[0].positions, ElementsAre(1, 3));
  EXPECT_THAT(tokens->samples[0].labels, ElementsAre(1, 2));
  EXPECT_THAT(tokens->samples[1].positions, ElementsAre(1));

  const std::vector<int64_t> starts = {1, 0}, ends = {2, 1};
  const absl::StatusOr<SampleSet> spans = ReadFile(
      LabelKind::kSpan,
      Tensors({{"input_ids", {2, 4}, ids}, {"start_positions", {2}, starts}, {"end_positions", {2}, ends}}));
  ASSERT_TRUE(spans.ok()) << spans.status();
  EXPECT_THAT(spans->samples[0].labels, ElementsAre(1, 2));
  EXPECT_TRUE(spans->labelled);

  const std::vector<int64_t> right = {1};
  const absl::StatusOr<SampleSet> choices =
      ReadFile(LabelKind::kChoice, Tensors({{"input_ids", {1, 2, 4}, ids}, {"labels", {1}, right}}));
  ASSERT_TRUE(choices.ok()) << choices.status();
  ASSERT_EQ(choices->samples.size(), 2u);
  EXPECT_EQ(choices->samples[1].choice, 1);
  EXPECT_EQ(choices->samples[1].line, 1);
  EXPECT_THAT(choices->samples[1].labels, ElementsAre(1));

  const absl::StatusOr<SampleSet> masked =
      ReadFile(LabelKind::kMaskedToken, Tensors({{"input_ids", {2, 4}, ids}}));
  ASSERT_TRUE(masked.ok()) << masked.status();
  EXPECT_EQ(masked->samples[0].input_ids[masked->samples[0].positions[0]], 4);
}

}  // namespace
}  // namespace kprune
