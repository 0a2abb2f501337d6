// The two kinds of sample files: records and token ids. Used by ReadSamples.
#ifndef KPRUNE_ENGINE_DATA_SAMPLE_FILES_H_
#define KPRUNE_ENGINE_DATA_SAMPLE_FILES_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/data/records.h"
#include "engine/data/samples.h"
#include "engine/tokenizers/tokenizer.h"
#include "nlohmann/json.hpp"

namespace kprune {

// One file, line by line; samples are made of those lines alone that are wanted.
class SampleFile {
 public:
  virtual ~SampleFile() = default;

  // As RecordSource has them.
  virtual absl::StatusOr<bool> Next() = 0;
  virtual Record Current() const = 0;

  // What becomes of a line of this file: none where it is left out (a question without an answer). Errors
  // have no place in front. Thread-safe.
  virtual absl::StatusOr<std::vector<Sample>> Samples(const Record& record) const = 0;
};

// By its name's extension; `file` is what Sample::file becomes. All are borrowed. Errors name the file.
absl::StatusOr<std::unique_ptr<SampleFile>> OpenSamples(const std::filesystem::path& path, int32_t file,
                                                        const Tokenizer* tokenizer,
                                                        const SampleLimits& limits);

// Those of safetensors: token ids, and pictures, of which limits.images must tell.
absl::StatusOr<std::unique_ptr<SampleFile>> OpenTokenSamples(const std::filesystem::path& path, int32_t file,
                                                             const SampleLimits& limits);
absl::StatusOr<std::unique_ptr<SampleFile>> OpenPixelSamples(const std::filesystem::path& path,
                                                             const SampleLimits& limits);

// A label of a record as numbers, checked by `limits`; the error has no place in front.
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
