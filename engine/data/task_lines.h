// What one line of JSONL becomes: a reader for each kind of label (samples.h says what the lines hold). Used
// by ReadJsonlSamples. Errors have no place in front. Thread-safe: pure functions.
#ifndef KPRUNE_ENGINE_DATA_TASK_LINES_H_
#define KPRUNE_ENGINE_DATA_TASK_LINES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/data/samples.h"
#include "engine/tokenizers/tokenizer.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Where a line stands and how it is read. All are borrowed.
struct LineSource {
  const Tokenizer& tokenizer;
  const SampleLimits& limits;
  int32_t file = 0;
  int64_t line = 0;
};

// By source.limits.label_kind; at least one sample.
absl::StatusOr<std::vector<Sample>> ReadLine(const nlohmann::json& json, const LineSource& source);

absl::StatusOr<std::vector<Sample>> ReadTextLine(const nlohmann::json& json, const LineSource& source);
absl::StatusOr<std::vector<Sample>> ReadTokenLine(const nlohmann::json& json, const LineSource& source);
absl::StatusOr<std::vector<Sample>> ReadQuestionLine(const nlohmann::json& json, const LineSource& source);
absl::StatusOr<std::vector<Sample>> ReadChoiceLine(const nlohmann::json& json, const LineSource& source);

// A text of the line: nullptr where it is absent or null, an error where it is blank or no string.
absl::StatusOr<const std::string*> TextField(const nlohmann::json& json, const char* key);
// The same of one that must be there.
absl::StatusOr<const std::string*> NeededTextField(const nlohmann::json& json, const char* key);

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
