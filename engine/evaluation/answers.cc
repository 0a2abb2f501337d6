// Source: the evaluation script of SQuAD 1.1 (https://rajpurkar.github.io/SQuAD-explorer).
#include "engine/evaluation/answers.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/model/output_rows.h"
#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

// Tokens begin .. end - 1 of a sequence that may answer.
struct Range {
  int64_t begin = 0, end = 0;
};

Range ContextOf(const Sample& sample) {
  if (sample.window != nullptr) {
    const int64_t begin = sample.window->first;
    return {begin, begin + static_cast<int64_t>(sample.window->spans.size())};
  }
  const std::vector<int32_t>& types = sample.token_type_ids;
  const auto first = std::find(types.begin(), types.end(), 1);
  const auto size = static_cast<int64_t>(types.size());
  return first == types.end() ? Range{0, size} : Range{first - types.begin(), size};
}

bool IsAsciiPunctuation(char32_t c) { return c < 128 && c > 32 && c != 127 && IsPunctuation(c); }

bool IsArticle(std::u32string_view word) { return word == U"a" || word == U"an" || word == U"the"; }

std::vector<std::string> WordsOf(std::string_view text) {
  return absl::StrSplit(NormalizedAnswer(text), ' ', absl::SkipEmpty());
}

double F1OfWords(const std::vector<std::string>& found, const std::vector<std::string>& right) {
  std::map<std::string, int64_t> left;
  for (const std::string& word : right) ++left[word];
  int64_t common = 0;
  for (const std::string& word : found) common += left[word]-- > 0;
  if (common == 0) return 0;
  const double precision = static_cast<double>(common) / static_cast<double>(found.size());
  const double recall = static_cast<double>(common) / static_cast<double>(right.size());
  return 2 * precision * recall / (precision + recall);
}

}  // namespace

std::vector<Answer> BestAnswers(const at::Tensor& outputs_T2, absl::Span<const Sample> samples) {
  const at::Tensor logits = outputs_T2.to(at::kFloat).contiguous();
  const float* values = logits.const_data_ptr<float>();
  const std::vector<int64_t> rows = RowOffsets(Task::kQuestionAnswering, samples),
                             lines = LineOffsets(samples);
  std::vector<Answer> answers;
  for (size_t line = 0; line + 1 < lines.size(); ++line) {
    double best = -std::numeric_limits<double>::infinity();
    const int64_t first = ContextOf(samples[lines[line]]).begin;
    Answer answer{lines[line], first, first};
    for (int64_t i = lines[line]; i < lines[line + 1]; ++i) {
      const auto [begin, end] = ContextOf(samples[i]);
      for (int64_t s = begin; s < end; ++s) {
        for (int64_t e = s; e < std::min(end, s + kMostAnswerTokens); ++e) {
          const double sum = double{values[2 * (rows[i] + s)]} + double{values[2 * (rows[i] + e) + 1]};
          if (sum <= best) continue;
          best = sum;
          answer = {i, s, e};
        }
      }
    }
    answers.push_back(answer);
  }
  return answers;
}

TextSpan SpanOf(const Answer& answer, absl::Span<const Sample> samples) {
  const QuestionWindow* window = samples[answer.sequence].window.get();
  if (window == nullptr) return {static_cast<int32_t>(answer.start), static_cast<int32_t>(answer.end + 1)};
  return {window->spans[answer.start - window->first].begin, window->spans[answer.end - window->first].end};
}

std::string TextOf(const Answer& answer, absl::Span<const Sample> samples) {
  const QuestionWindow* window = samples[answer.sequence].window.get();
  if (window == nullptr) return absl::StrCat("tokens ", answer.start, " to ", answer.end);
  const TextSpan span = SpanOf(answer, samples);
  return EncodeUtf8(window->question->context.substr(span.begin, span.end - span.begin));
}

std::string NormalizedAnswer(std::string_view text) {
  std::u32string letters = DecodeUtf8(text);
  for (char32_t& letter : letters) letter = LowerCase(letter);
  std::erase_if(letters, IsAsciiPunctuation);
  // Articles go wherever they are words of a regular expression, others' punctuation around them or not.
  std::u32string normalized;
  for (size_t at = 0; at < letters.size();) {
    size_t end = at;
    while (end < letters.size() && IsWordCharacter(letters[end])) ++end;
    const std::u32string_view word = std::u32string_view(letters).substr(at, end - at);
    if (!IsArticle(word)) normalized += word;
    if (IsArticle(word)) normalized += U' ';
    for (; end < letters.size() && !IsWordCharacter(letters[end]); ++end)
      normalized += IsWhitespace(letters[end]) ? U' ' : letters[end];
    at = end;
  }
  const std::vector<std::string> words = absl::StrSplit(EncodeUtf8(normalized), ' ', absl::SkipEmpty());
  std::string joined;
  for (const std::string& word : words) absl::StrAppend(&joined, joined.empty() ? "" : " ", word);
  return joined;
}

double AnswerF1(std::string_view found, absl::Span<const std::string> right) {
  double best = 0;
  for (const std::string& answer : right) best = std::max(best, F1OfWords(WordsOf(found), WordsOf(answer)));
  return best;
}

bool IsExactly(std::string_view found, absl::Span<const std::string> right) {
  return std::any_of(right.begin(), right.end(), [&](const std::string& answer) {
    return NormalizedAnswer(found) == NormalizedAnswer(answer);
  });
}

}  // namespace kprune
