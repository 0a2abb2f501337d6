// Puts together what was read line by line. Used by ReadSamples.
#ifndef KPRUNE_ENGINE_DATA_SAMPLE_COLLECTOR_H_
#define KPRUNE_ENGINE_DATA_SAMPLE_COLLECTOR_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/data/records.h"
#include "engine/data/samples.h"

namespace kprune {

// Takes lines in order and checks what concerns them together: all labelled alike or none. Not thread-safe.
class SampleCollector {
 public:
  // `paths` outlives the collector and is what Sample::file counts.
  explicit SampleCollector(absl::Span<const std::filesystem::path> paths) : paths_(paths) {}

  // The samples of line `index` of all lines, which `record` is; the error has no place in front.
  absl::Status Add(int64_t index, const Record& record, std::vector<Sample> samples);

  // Of kMaxSamples.
  bool is_full() const { return static_cast<int64_t>(set_.samples.size()) > kMaxSamples; }

  SampleSet Take() { return std::move(set_); }

 private:
  const absl::Span<const std::filesystem::path> paths_;
  SampleSet set_;
  std::string first_place_;  // of its first line
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_SAMPLE_COLLECTOR_H_
