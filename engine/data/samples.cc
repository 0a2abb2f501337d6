#include "engine/data/samples.h"

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/data/columns.h"
#include "engine/data/draw.h"
#include "engine/data/error_list.h"
#include "engine/data/parallel_for.h"
#include "engine/data/reservoir.h"
#include "engine/data/sample_collector.h"
#include "engine/data/sample_files.h"

namespace kprune {
namespace {

// Lines of which samples are made together: enough for all threads, little memory, also where each is a
// picture.
constexpr int64_t kBatchLines = 1024, kBatchBytes = int64_t{64} << 20;

absl::Status CheckLimits(const SampleLimits& limits) {
  if (limits.max_length < 0 || limits.max_length > limits.max_positions) {
    return absl::InvalidArgumentError(absl::StrCat("max_length is ", limits.max_length, ", accepted is 0 to ",
                                                   limits.max_positions,
                                                   ", the positions that the model has"));
  }
  return CheckColumns(limits);
}

struct DrawnLine {
  int32_t file = 0;
  Record record;
};

class SampleReader {
 public:
  SampleReader(absl::Span<const std::filesystem::path> paths, const Tokenizer* tokenizer,
               const SampleLimits& limits, const LineChoice& choice)
      : paths_(paths),
        tokenizer_(tokenizer),
        limits_(limits),
        draws_(choice.samples > 0),
        most_lines_(choice.most_lines),
        reservoir_(draws_ ? std::optional(MostDrawn(choice.samples, choice.holdout)) : std::nullopt,
                   choice.seed),
        collector_(paths) {}

  absl::StatusOr<SampleSet> Read() {
    absl::Status status;
    for (size_t file = 0; file < paths_.size() && status.ok(); ++file)
      status = ReadFile(static_cast<int32_t>(file));
    const absl::Status flushed = Flush();
    if (!status.ok()) errors_.Add(status);
    if (!errors_.empty()) return errors_.status();
    if (!flushed.ok()) return flushed;
    SampleSet set = collector_.Take();
    set.available = lines_;
    if (!set.samples.empty()) return set;
    if (paths_.empty()) return absl::InvalidArgumentError("there is no data file");
    return absl::InvalidArgumentError(
        absl::StrCat(paths_[0].string(), ": there is no sample in the data",
                     set.left_out > 0 ? absl::StrCat(" (", set.left_out, " questions have no answer)") : ""));
  }

 private:
  // Passes over all lines of the file. Without a draw all are wanted, and become samples as they come.
  absl::Status ReadFile(int32_t file) {
    absl::StatusOr<std::unique_ptr<SampleFile>> opened =
        OpenSamples(paths_[static_cast<size_t>(file)], file, tokenizer_, limits_);
    if (!opened.ok()) return opened.status();
    files_.push_back(*std::move(opened));
    while (most_lines_ == 0 || lines_ < most_lines_) {
      absl::StatusOr<bool> more = files_.back()->Next();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
      const int64_t index = lines_++;
      if (!reservoir_.Wants(index)) continue;
      Record record = files_.back()->Current();
      batch_bytes_ += static_cast<int64_t>(record.text.size());
      reservoir_.Add(index, {file, std::move(record)});
      if (draws_ || (reservoir_.size() < kBatchLines && batch_bytes_ < kBatchBytes)) continue;
      if (absl::Status status = Flush(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  // Makes samples of what the reservoir holds.
  absl::Status Flush() {
    batch_bytes_ = 0;
    std::vector<std::pair<int64_t, DrawnLine>> lines = reservoir_.Take();
    for (size_t begin = 0; begin < lines.size(); begin += kBatchLines) {
      const absl::Span<const std::pair<int64_t, DrawnLine>> batch =
          absl::MakeConstSpan(lines).subspan(begin, kBatchLines);
      std::vector<absl::StatusOr<std::vector<Sample>>> samples(batch.size());
      ParallelFor(static_cast<int64_t>(batch.size()), limits_.threads, [&](int64_t i) {
        const DrawnLine& line = batch[static_cast<size_t>(i)].second;
        samples[static_cast<size_t>(i)] = files_[static_cast<size_t>(line.file)]->Samples(line.record);
      });
      for (size_t i = 0; i < batch.size(); ++i) {
        const auto& [index, line] = batch[i];
        Collect(index, line, std::move(samples[i]));
        if (!collector_.is_full()) continue;
        return absl::InvalidArgumentError(absl::StrCat(
            PlaceOf(paths_[static_cast<size_t>(line.file)], line.record.unit, line.record.number),
            ": there are more than ", kMaxSamples, " samples: draw fewer lines with samples"));
      }
    }
    return absl::OkStatus();
  }

  void Collect(int64_t index, const DrawnLine& line, absl::StatusOr<std::vector<Sample>> samples) {
    absl::Status status = samples.status();
    if (status.ok()) {
      for (Sample& sample : *samples) {
        sample.file = line.file;
        sample.line = line.record.number;
      }
      status = collector_.Add(index, line.record, *std::move(samples));
    }
    if (status.ok()) return;
    errors_.Add(paths_[static_cast<size_t>(line.file)], line.record.unit, line.record.number, status);
  }

  const absl::Span<const std::filesystem::path> paths_;
  const Tokenizer* const tokenizer_;
  const SampleLimits& limits_;
  const bool draws_;
  const int64_t most_lines_;
  std::vector<std::unique_ptr<SampleFile>> files_;
  int64_t lines_ = 0;
  int64_t batch_bytes_ = 0;  // of the records that were added since the last Flush
  Reservoir<DrawnLine> reservoir_;
  SampleCollector collector_;
  ErrorList errors_;
};

}  // namespace

absl::Status CheckTokens(const SampleLimits& limits, Sample& sample) {
  for (int32_t id : sample.input_ids) {
    if (id < 0 || id >= limits.vocab_size) {
      return absl::InvalidArgumentError(absl::StrCat("token id ", id, " is not in the model's vocabulary of ",
                                                     limits.vocab_size, " (0 to ", limits.vocab_size - 1,
                                                     ")"));
    }
  }
  for (int32_t& type : sample.token_type_ids) {
    if (limits.type_vocab_size == 0) type = 0;
    if (type < 0 || (type > 0 && type >= limits.type_vocab_size)) {
      return absl::InvalidArgumentError(absl::StrCat("token type ", type, " is not among the model's ",
                                                     limits.type_vocab_size, " token types"));
    }
  }
  return absl::OkStatus();
}

std::vector<int64_t> LineOffsets(absl::Span<const Sample> samples) {
  std::vector<int64_t> offsets;
  for (size_t i = 0; i < samples.size(); ++i) {
    const bool continues = i > 0 && samples[i].line > 0 && samples[i].line == samples[i - 1].line &&
                           samples[i].file == samples[i - 1].file;
    if (!continues) offsets.push_back(static_cast<int64_t>(i));
  }
  offsets.push_back(static_cast<int64_t>(samples.size()));
  return offsets;
}

int64_t NumLines(absl::Span<const Sample> samples) {
  return static_cast<int64_t>(LineOffsets(samples).size()) - 1;
}

absl::StatusOr<SampleSet> ReadSamples(absl::Span<const std::filesystem::path> paths,
                                      const Tokenizer* tokenizer, const SampleLimits& limits,
                                      const LineChoice& choice) {
  if (absl::Status status = CheckLimits(limits); !status.ok()) return status;
  return SampleReader(paths, tokenizer, limits, choice).Read();
}

}  // namespace kprune
