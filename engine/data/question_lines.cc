// Lines of which several sequences are made: questions with long contexts, and choices.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/data/sample_files.h"
#include "engine/data/task_lines.h"
#include "engine/tokenizers/unicode.h"
#include "engine/formats/json_fields.h"
#include "engine/tokenizers/token_windows.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Tokens that two windows of a context share, as far as half a window goes.
constexpr int kOverlap = 128;

// The texts of SQuAD's {"text": [...], "answer_start": [...]}; empty where the line is not labelled.
absl::StatusOr<std::vector<std::string>> ReadAnswers(const Json& json) {
  const auto found = json.find("answers");
  if (found == json.end() || found->is_null()) return std::vector<std::string>();
  const auto texts = found->is_object() ? found->find("text") : found->end();
  if (!found->is_object() || texts == found->end() || !texts->is_array()) {
    return RefuseLine(absl::StrCat("answers is ", Described(*found),
                                   ", accepted is an object with \"text\", an array of strings"));
  }
  std::vector<std::string> answers;
  for (const Json& text : *texts) {
    if (!text.is_string())
      return RefuseLine(absl::StrCat("answers.text holds ", Described(text), ", accepted are strings"));
    answers.push_back(text.get<std::string>());
  }
  if (answers.empty())
    return RefuseLine("answers.text is empty, accepted are questions that have an answer: remove the line");
  return answers;
}

}  // namespace

absl::StatusOr<std::vector<Sample>> ReadQuestionLine(const Json& json, const LineSource& source) {
  absl::StatusOr<const std::string*> asked = NeededTextField(json, "question");
  if (!asked.ok()) return asked.status();
  absl::StatusOr<const std::string*> context = NeededTextField(json, "context");
  if (!context.ok()) return context.status();
  absl::StatusOr<std::vector<std::string>> answers = ReadAnswers(json);
  if (!answers.ok()) return answers.status();
  const std::vector<int32_t> question_ids = source.tokenizer.EncodeText(**asked).ids;
  const TextTokens tokens = source.tokenizer.EncodeText(**context);
  const int question_size = static_cast<int>(question_ids.size());
  const int size = static_cast<int>(tokens.ids.size());
  if (size == 0) return RefuseLine("the context has no token: remove the line");
  const int room =
      LongestSequence(source.limits) - source.tokenizer.special_tokens(/*pair=*/true) - question_size;
  if (room < 1) {
    return RefuseLine(absl::StrCat("the question has ", question_size,
                                   " tokens, which leave no room for the "
                                   "context in ",
                                   LongestSequence(source.limits), ": remove the line or raise max_length"));
  }
  const auto question =
      std::make_shared<const Question>(Question{DecodeUtf8(**context), *std::move(answers)});
  std::vector<Sample> samples;
  const bool left = source.tokenizer.truncates_left();
  for (const auto& [begin, end] : TokenWindows(size, room, std::min(kOverlap, room / 2), left)) {
    Encoding encoding =
        source.tokenizer.Frame(question_ids, absl::MakeConstSpan(tokens.ids).subspan(begin, end - begin));
    QuestionWindow window{
        question, encoding.second.begin, {tokens.spans.begin() + begin, tokens.spans.begin() + end}};
    absl::StatusOr<Sample> sample = ToSample(std::move(encoding), source.limits);
    if (!sample.ok()) return sample.status();
    sample->window = std::make_shared<const QuestionWindow>(std::move(window));
    samples.push_back(*std::move(sample));
  }
  return samples;
}

absl::StatusOr<std::vector<Sample>> ReadChoiceLine(const Json& json, const LineSource& source) {
  absl::StatusOr<const std::string*> text = NeededTextField(json, "text");
  if (!text.ok()) return text.status();
  const auto choices = json.find("choices");
  if (choices == json.end() || !choices->is_array() || choices->size() < 2) {
    return RefuseLine(absl::StrCat("choices is ", choices == json.end() ? "absent" : Described(*choices),
                                   ", accepted is an array of two or more strings"));
  }
  std::vector<Sample> samples;
  for (const Json& choice : *choices) {
    if (!choice.is_string())
      return RefuseLine(absl::StrCat("choices holds ", Described(choice), ", accepted are strings"));
    absl::StatusOr<Encoding> encoding = EncodeTexts(**text, &choice.get_ref<const std::string&>(), source);
    if (!encoding.ok()) return encoding.status();
    absl::StatusOr<Sample> sample = ToSample(*std::move(encoding), source.limits);
    if (!sample.ok()) return sample.status();
    sample->choice = static_cast<int32_t>(samples.size());
    samples.push_back(*std::move(sample));
  }
  const auto label = json.find("label");
  if (label == json.end() || label->is_null()) return samples;
  const SampleLimits limits = ChoiceLimits(static_cast<int64_t>(samples.size()));
  absl::StatusOr<std::vector<double>> labels = ReadLabel(*label, limits);
  if (!labels.ok()) return labels.status();
  for (Sample& sample : samples) sample.labels = *labels;
  return samples;
}

}  // namespace kprune
