#include "engine/evaluation/answers.h"

#include <ATen/ATen.h>

#include "engine/tokenizers/unicode.h"
#include "engine/formats/json.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

// "the red river" behind a question of one token, as [CLS] q [SEP] the red river [SEP]; each word a token.
Sample Window(const std::shared_ptr<const Question>& question) {
  Sample sample;
  sample.input_ids = {2, 9, 3, 10, 11, 12, 3};
  sample.token_type_ids = {0, 0, 0, 1, 1, 1, 1};
  sample.window =
      std::make_shared<const QuestionWindow>(QuestionWindow{question, 3, {{0, 3}, {4, 7}, {8, 13}}});
  sample.line = 1;
  return sample;
}

std::vector<Sample> TwoWindows() {
  const auto question = std::make_shared<const Question>(Question{U"the red river", {"red river"}});
  return {Window(question), Window(question)};
}

// Start and end logits that are 0 but for one start and one end.
at::Tensor Logits(int64_t rows, int64_t start, double start_logit, int64_t end, double end_logit) {
  at::Tensor logits = at::zeros({rows, 2});
  logits[start][0] = start_logit;
  logits[end][1] = end_logit;
  return logits;
}

TEST(AnswersTest, Examples) {
  const std::vector<Sample> samples = TwoWindows();
  // In the second window, from "red" to "river".
  const std::vector<Answer> answers = BestAnswers(Logits(14, 7 + 4, 5, 7 + 5, 5), samples);
  ASSERT_EQ(answers.size(), 1u) << "one question";
  EXPECT_EQ(answers[0], (Answer{1, 4, 5}));
  EXPECT_EQ(TextOf(answers[0], samples), "red river");
  EXPECT_EQ(AnswerF1("the Red River!", samples[0].window->question->answers), 1);
  EXPECT_TRUE(IsExactly("Red, river", samples[0].window->question->answers));
  EXPECT_EQ(NormalizedAnswer(" An Apple's  core."), "apples core");
}

TEST(AnswersTest, StandInTheContextAndDoNotEndBeforeTheyStart) {
  const std::vector<Sample> samples = {TwoWindows()[0]};
  // The largest start is a question's token, the largest end stands before the best start.
  at::Tensor logits = Logits(7, 1, 9, 3, 9);
  logits[4][0] = 4;
  const Answer answer = BestAnswers(logits, samples)[0];
  EXPECT_GE(answer.start, 3);
  EXPECT_GE(answer.end, answer.start);
  EXPECT_EQ(answer, (Answer{0, 3, 3})) << "9 for the end and 0 for the start is more than 4";
}

TEST(AnswersTest, AreNotLongerThanSquadsAre) {
  Sample sample;
  sample.input_ids.assign(64, 5);
  sample.token_type_ids.assign(64, 0);
  const Answer answer = BestAnswers(Logits(64, 0, 3, 63, 2), std::vector<Sample>{sample})[0];
  EXPECT_LT(answer.end - answer.start, kMostAnswerTokens);
  EXPECT_EQ(answer.start, 0);
}

TEST(AnswersTest, AreScoredAsSquadDefines) {
  const absl::StatusOr<nlohmann::json> cases =
      ReadJsonFile(KPRUNE_SOURCE_DIR "/tests/engine/evaluation/goldens/answers.json");
  ASSERT_TRUE(cases.ok()) << cases.status();
  EXPECT_EQ(cases->size(), 300u);
  for (const nlohmann::json& value : *cases) {
    const std::string found = value["found"];
    const auto right = value["right"].get<std::vector<std::string>>();
    EXPECT_NEAR(AnswerF1(found, right), value["f1"].get<double>(), 1e-12) << value;
    EXPECT_EQ(IsExactly(found, right), value["exact"].get<bool>()) << value;
  }
}

}  // namespace
}  // namespace kprune
