// Lines of which several sequences are made: questions with long contexts, and choices.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/data/sample_files.h"
#include "engine/data/task_lines.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"
#include "engine/tokenizers/token_windows.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Tokens that two windows of a context share, as far as half a window goes.
constexpr int kOverlap = 128;

// The texts that are right, of SQuAD's {"text": [...], "answer_start": [...]}, a list of {"text": ...}, texts
// or one text; nothing where the line is not labelled, an empty list where the question has no answer.
absl::StatusOr<std::optional<std::vector<std::string>>> ReadAnswers(const RecordFields& fields) {
  const Column* column = fields.Find("answers");
  if (column == nullptr) return std::nullopt;
  Json texts = column->value;
  if (texts.is_string()) {
    absl::StatusOr<Json> parsed = ParseJson(texts.get_ref<const std::string&>(), column->name);
    if (parsed.ok() && parsed->is_structured()) texts = *std::move(parsed);
  }
  if (texts.is_object() && texts.contains("text")) texts = Json(texts["text"]);
  if (texts.is_string()) texts = Json::array({std::move(texts)});
  if (!texts.is_array()) {
    return RefuseLine(
        absl::StrCat(column->name, " is ", Described(column->value),
                     ", accepted is an object with \"text\", an array of strings, or a string"));
  }
  std::vector<std::string> answers;
  for (const Json& item : texts) {
    const Json& text = item.is_object() && item.contains("text") ? item["text"] : item;
    if (!text.is_string())
      return RefuseLine(absl::StrCat(column->name, " holds ", Described(text), ", accepted are strings"));
    answers.push_back(text.get<std::string>());
  }
  return answers;
}

// A list of texts, or an object that has it as "text".
absl::StatusOr<Json> ReadChoices(const Column& column) {
  const auto texts = column.value.is_object() ? column.value.find("text") : column.value.end();
  return ListField(texts == column.value.end() ? column : Column{column.name, *texts});
}

}  // namespace

absl::StatusOr<std::vector<Sample>> ReadQuestionLine(const RecordFields& fields, const LineSource& source) {
  absl::StatusOr<const std::string*> asked = TextField(fields, "question");
  if (!asked.ok()) return asked.status();
  absl::StatusOr<const std::string*> context = TextField(fields, "context");
  if (!context.ok()) return context.status();
  absl::StatusOr<std::optional<std::vector<std::string>>> answers = ReadAnswers(fields);
  if (!answers.ok()) return answers.status();
  if (*answers && (*answers)->empty()) return std::vector<Sample>();
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
  const bool left = source.tokenizer.truncates_left();
  const std::vector<TokenWindow> windows = TokenWindows(size, room, std::min(kOverlap, room / 2), left);
  if (static_cast<int64_t>(windows.size()) > kMaxSequences) {
    return RefuseLine(absl::StrCat("the context makes ", windows.size(), " sequences of ", room,
                                   " tokens beside the question, at most ", kMaxSequences,
                                   " are accepted: shorten the line or raise max_length"));
  }
  const auto question = std::make_shared<const Question>(
      Question{DecodeUtf8(**context), (*std::move(answers)).value_or(std::vector<std::string>())});
  std::vector<Sample> samples;
  for (const auto& [begin, end] : windows) {
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

absl::StatusOr<std::vector<Sample>> ReadChoiceLine(const RecordFields& fields, const LineSource& source) {
  absl::StatusOr<const std::string*> text = TextField(fields, "text");
  if (!text.ok()) return text.status();
  const Column& column = *fields.Find("choices");
  absl::StatusOr<Json> choices = ReadChoices(column);
  if (!choices.ok()) return choices.status();
  if (choices->size() < 2 || static_cast<int64_t>(choices->size()) > kMaxSequences) {
    return RefuseLine(absl::StrCat(column.name, " is an array of ", choices->size(),
                                   ", accepted is an array of two or more strings, at most ", kMaxSequences));
  }
  std::vector<Sample> samples;
  for (const Json& choice : *choices) {
    if (!choice.is_string())
      return RefuseLine(absl::StrCat(column.name, " holds ", Described(choice), ", accepted are strings"));
    absl::StatusOr<Encoding> encoding = EncodeTexts(**text, &choice.get_ref<const std::string&>(), source);
    if (!encoding.ok()) return encoding.status();
    absl::StatusOr<Sample> sample = ToSample(*std::move(encoding), source.limits);
    if (!sample.ok()) return sample.status();
    sample->choice = static_cast<int32_t>(samples.size());
    samples.push_back(*std::move(sample));
  }
  absl::StatusOr<std::vector<double>> labels =
      LabelField(fields, ChoiceLimits(static_cast<int64_t>(samples.size())));
  if (!labels.ok()) return labels.status();
  for (Sample& sample : samples) sample.labels = *labels;
  return samples;
}

}  // namespace kprune
