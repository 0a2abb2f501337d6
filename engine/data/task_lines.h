// What one record becomes: a reader for each kind of label (samples.h says what records hold). Errors have no
// place in front. Thread-safe: pure functions.
#ifndef KPRUNE_ENGINE_DATA_TASK_LINES_H_
#define KPRUNE_ENGINE_DATA_TASK_LINES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/data/columns.h"
#include "engine/data/samples.h"
#include "engine/tokenizers/tokenizer.h"

namespace kprune {

// Where a line stands and how it is read. All are borrowed.
struct LineSource {
  const Tokenizer& tokenizer;
  const SampleLimits& limits;
  int32_t file = 0;
  int64_t line = 0;
};

// A line makes at most so many sequences: a question that leaves its context no room, or a list of choices
// without end, would fill the memory.
inline constexpr int64_t kMaxSequences = 1024;

// By source.limits.label_kind; no sample where the line is left out: a question that has no answer.
absl::StatusOr<std::vector<Sample>> ReadLine(const RecordFields& fields, const LineSource& source);

absl::StatusOr<std::vector<Sample>> ReadTextLine(const RecordFields& fields, const LineSource& source);
absl::StatusOr<std::vector<Sample>> ReadTokenLine(const RecordFields& fields, const LineSource& source);
absl::StatusOr<std::vector<Sample>> ReadQuestionLine(const RecordFields& fields, const LineSource& source);
absl::StatusOr<std::vector<Sample>> ReadChoiceLine(const RecordFields& fields, const LineSource& source);

// A text of the line: nullptr where it is absent or null, an error where it is blank or no string.
absl::StatusOr<const std::string*> TextField(const RecordFields& fields, std::string_view role);

// The items of a list; of a string that is a JSON array its items, of another its words.
absl::StatusOr<nlohmann::json> ListField(const Column& column);

// A label as ReadLabel reads it; none where the line has none, or a class of -1 as data sets without labels
// do.
absl::StatusOr<std::vector<double>> LabelField(const RecordFields& fields, const SampleLimits& limits);

// An error where `special` tokens leave no room for a text.
absl::Status CheckRoom(const SampleLimits& limits, int special);

// An encoding as a sample, whose tokens are in the model's tables.
absl::StatusOr<Sample> ToSample(Encoding encoding, const SampleLimits& limits);

// A text or a pair, truncated to the limits.
absl::StatusOr<Encoding> EncodeTexts(const std::string& text, const std::string* pair,
                                     const LineSource& source);

// The tokens that are not special ones, rising.
std::vector<int32_t> PlacesOfTexts(const Encoding& encoding);

// Masks 15 % of the tokens at `places`, at least one: they become limits.mask_token_id, their places
// `positions` and what they were `labels`. Which ones, limits.seed and the line's place decide.
absl::Status MaskTokens(std::vector<int32_t> places, const SampleLimits& limits, int32_t file, int64_t line,
                        Sample& sample);

inline absl::Status RefuseLine(std::string_view problem) {
  return absl::InvalidArgumentError(std::string(problem));
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_TASK_LINES_H_
