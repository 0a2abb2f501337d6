#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/data/parallel_for.h"
#include "engine/data/picture_lines.h"
#include "engine/data/sample_files.h"
#include "engine/data/task_lines.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Lines read ahead of the samples made of them: enough for all threads, little memory.
constexpr size_t kBatchLines = 4096;

struct Line {
  std::string_view text;
  int64_t number = 0;  // from 1
};

// Walks over the lines that are not blank.
class LineReader {
 public:
  LineReader(std::string_view text, const std::filesystem::path& path, int64_t most_bytes)
      : rest_(text), path_(path), most_bytes_(most_bytes) {}

  // Up to `count` further lines; none at the end. INVALID_ARGUMENT at a line that is longer than
  // most_bytes, once all before it are read.
  absl::StatusOr<std::vector<Line>> Next(size_t count) {
    std::vector<Line> lines;
    while (lines.size() < count && !rest_.empty()) {
      const size_t end = std::min(rest_.find('\n'), rest_.size());
      const std::string_view line = rest_.substr(0, end);
      if (end > static_cast<size_t>(most_bytes_)) {
        if (!lines.empty()) break;
        return absl::InvalidArgumentError(absl::StrCat(PlaceOf(path_, number_ + 1), ": the line has ", end,
                                                       " bytes, at most ", most_bytes_, " are accepted"));
      }
      ++number_;
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines.push_back({line, number_});
    }
    return lines;
  }

 private:
  std::string_view rest_;
  int64_t number_ = 0;
  const std::filesystem::path& path_;
  const int64_t most_bytes_;
};

// Makes samples of lines. Thread-safe: immutable.
class LineParser {
 public:
  LineParser(const std::filesystem::path& path, int32_t file, const Tokenizer* tokenizer,
             const SampleLimits& limits)
      : path_(path), file_(file), tokenizer_(tokenizer), limits_(limits) {}

  absl::StatusOr<std::vector<Sample>> Parse(const Line& line) const {
    const std::string place = PlaceOf(path_, line.number);
    absl::StatusOr<Json> json = ParseJson(line.text, place);
    if (!json.ok()) return json.status();
    absl::StatusOr<std::vector<Sample>> samples =
        limits_.images ? ReadPictureLine(*json, limits_)
                       : ReadLine(*json, {*tokenizer_, limits_, file_, line.number});
    if (!samples.ok()) {
      return absl::Status(samples.status().code(), absl::StrCat(place, ": ", samples.status().message()));
    }
    for (Sample& sample : *samples) {
      sample.file = file_;
      sample.line = line.number;
    }
    return samples;
  }

 private:
  const std::filesystem::path& path_;
  const int32_t file_;
  const Tokenizer* const tokenizer_;  // null where limits_ has images
  const SampleLimits& limits_;
};

}  // namespace

absl::Status ReadJsonlSamples(const std::filesystem::path& path, int32_t file, const Tokenizer* tokenizer,
                              const SampleLimits& limits, SampleCollector& collector) {
  absl::StatusOr<std::unique_ptr<MappedFile>> mapped = MappedFile::Open(path);
  if (!mapped.ok()) return mapped.status();
  const absl::Span<const std::byte> bytes = (*mapped)->bytes();
  LineReader reader(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path,
                    limits.images ? kMaxPictureLineBytes : kMaxLineBytes);
  const LineParser parser(path, file, tokenizer, limits);
  while (true) {
    absl::StatusOr<std::vector<Line>> lines = reader.Next(kBatchLines);
    if (!lines.ok()) return lines.status();
    if (lines->empty()) return absl::OkStatus();
    std::vector<absl::StatusOr<std::vector<Sample>>> samples(lines->size());
    ParallelFor(static_cast<int64_t>(lines->size()), limits.threads,
                [&](int64_t i) { samples[i] = parser.Parse((*lines)[i]); });
    for (absl::StatusOr<std::vector<Sample>>& of_line : samples) {
      if (!of_line.ok()) return of_line.status();
      for (Sample& sample : *of_line) {
        if (absl::Status status = collector.Add(std::move(sample)); !status.ok()) return status;
      }
    }
  }
}

}  // namespace kprune
