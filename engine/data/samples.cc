#include "engine/data/samples.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/data/sample_files.h"

namespace kprune {
namespace {

absl::Status CheckLimits(const SampleLimits& limits) {
  if (limits.max_length < 0 || limits.max_length > limits.max_positions) {
    return absl::InvalidArgumentError(absl::StrCat("max_length is ", limits.max_length, ", accepted is 0 to ",
                                                   limits.max_positions,
                                                   ", the positions that the model has"));
  }
  return absl::OkStatus();
}

std::string LabelCount(const Sample& sample) {
  return sample.labels.empty() ? "no label" : absl::StrCat(sample.labels.size(), " label(s)");
}

}  // namespace

std::string PlaceOf(const std::filesystem::path& path, int64_t line) {
  return absl::StrCat(path.string(), path.extension() == ".safetensors" ? ", row " : ", line ", line);
}

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

absl::Status SampleCollector::Add(Sample sample) {
  const std::filesystem::path& path = paths_[static_cast<size_t>(sample.file)];
  if (set_.samples.size() >= static_cast<size_t>(kMaxSamples)) {
    return absl::InvalidArgumentError(absl::StrCat(PlaceOf(path, sample.line), ": there are more than ",
                                                   kMaxSamples, " samples: give fewer lines"));
  }
  if (!set_.samples.empty() && set_.samples.front().labels.size() != sample.labels.size()) {
    const Sample& first = set_.samples.front();
    return absl::InvalidArgumentError(
        absl::StrCat(PlaceOf(path, sample.line), ": there is ", LabelCount(sample), ", but ",
                     PlaceOf(paths_[static_cast<size_t>(first.file)], first.line), " has ", LabelCount(first),
                     ": label all samples alike or none"));
  }
  set_.labelled = !sample.labels.empty();
  set_.samples.push_back(std::move(sample));
  return absl::OkStatus();
}

absl::StatusOr<SampleSet> SampleCollector::Take() {
  if (!set_.samples.empty()) return std::move(set_);
  return absl::InvalidArgumentError(
      paths_.empty() ? "there is no data file"
                     : absl::StrCat(paths_[0].string(), ": there is no sample in the data"));
}

absl::StatusOr<SampleSet> ReadSamples(absl::Span<const std::filesystem::path> paths,
                                      const Tokenizer* tokenizer, const SampleLimits& limits) {
  if (absl::Status status = CheckLimits(limits); !status.ok()) return status;
  SampleCollector collector(paths);
  for (size_t file = 0; file < paths.size(); ++file) {
    const std::filesystem::path& path = paths[file];
    absl::Status status;
    if (path.extension() == ".safetensors") {
      status = ReadTokenSamples(path, static_cast<int32_t>(file), limits, collector);
    } else if (path.extension() != ".jsonl") {
      status = absl::InvalidArgumentError(absl::StrCat(path.string(), " is neither .jsonl nor .safetensors"));
    } else if (tokenizer == nullptr) {
      status = absl::InvalidArgumentError(absl::StrCat(
          path.string(), " holds text, but the model has no tokenizer: give token ids as .safetensors"));
    } else {
      status = ReadJsonlSamples(path, static_cast<int32_t>(file), *tokenizer, limits, collector);
    }
    if (!status.ok()) return status;
  }
  return collector.Take();
}

}  // namespace kprune
