// The forms of sample files. Used by ReadSamples.
#ifndef KPRUNE_ENGINE_DATA_SAMPLE_FILES_H_
#define KPRUNE_ENGINE_DATA_SAMPLE_FILES_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/data/samples.h"
#include "engine/tokenizers/tokenizer.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Takes samples in order and checks what concerns them together: all labelled alike or none, and how many
// they are.
class SampleCollector {
 public:
  // `paths` outlives the collector and is what Sample::file counts.
  explicit SampleCollector(absl::Span<const std::filesystem::path> paths) : paths_(paths) {}

  absl::Status Add(Sample sample);

  // INVALID_ARGUMENT where there is no sample.
  absl::StatusOr<SampleSet> Take();

 private:
  const absl::Span<const std::filesystem::path> paths_;
  SampleSet set_;
};

// "data/dev.jsonl, line 7" or "data/ids.safetensors, row 7"
std::string PlaceOf(const std::filesystem::path& path, int64_t line);

// `tokenizer` may be null where limits.images is there.
absl::Status ReadJsonlSamples(const std::filesystem::path& path, int32_t file, const Tokenizer* tokenizer,
                              const SampleLimits& limits, SampleCollector& collector);

absl::Status ReadTokenSamples(const std::filesystem::path& path, int32_t file, const SampleLimits& limits,
                              SampleCollector& collector);

// limits.images must be there.
absl::Status ReadPixelSamples(const std::filesystem::path& path, int32_t file, const SampleLimits& limits,
                              SampleCollector& collector);

// A "label" of JSONL as numbers, checked by `limits`; the error has no place in front.
absl::StatusOr<std::vector<double>> ReadLabel(const nlohmann::json& label, const SampleLimits& limits);

// Checks numbers against what limits.label_kind and num_labels accept; the error has no place in front.
absl::Status CheckLabels(const std::vector<double>& labels, const SampleLimits& limits);

// Limits by which the number of the right one of so many choices is read.
SampleLimits ChoiceLimits(int64_t choices);

// Checks ids against the model's tables and drops type ids where the model has none; the error has no place
// in front.
absl::Status CheckTokens(const SampleLimits& limits, Sample& sample);

// The longest sequence: max_length, or max_positions where it is 0.
inline int32_t LongestSequence(const SampleLimits& limits) {
  return limits.max_length == 0 ? limits.max_positions : limits.max_length;
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_SAMPLE_FILES_H_
