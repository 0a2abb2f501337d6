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

bool IsLabelled(const Sample& sample) {
  return !sample.labels.empty() || (sample.window != nullptr && !sample.window->question->answers.empty());
}

std::string LabelCount(const Sample& sample) {
  if (!IsLabelled(sample)) return "no label";
  return sample.labels.empty() ? "an answer" : absl::StrCat(sample.labels.size(), " label(s)");
}

// Tokens have a label each.
bool LabelledAlike(const Sample& a, const Sample& b) {
  if (IsLabelled(a) != IsLabelled(b)) return false;
  return a.labels.size() == b.labels.size() || (!a.positions.empty() && !b.positions.empty());
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
  if (!set_.samples.empty() && !LabelledAlike(set_.samples.front(), sample)) {
    const Sample& first = set_.samples.front();
    return absl::InvalidArgumentError(
        absl::StrCat(PlaceOf(path, sample.line), ": there is ", LabelCount(sample), ", but ",
                     PlaceOf(paths_[static_cast<size_t>(first.file)], first.line), " has ", LabelCount(first),
                     ": label all samples alike or none"));
  }
  set_.labelled = IsLabelled(sample);
  set_.samples.push_back(std::move(sample));
  return absl::OkStatus();
}

absl::StatusOr<SampleSet> SampleCollector::Take() {
  if (!set_.samples.empty()) return std::move(set_);
  return absl::InvalidArgumentError(
      paths_.empty() ? "there is no data file"
                     : absl::StrCat(paths_[0].string(), ": there is no sample in the data"));
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
                                      const Tokenizer* tokenizer, const SampleLimits& limits) {
  if (absl::Status status = CheckLimits(limits); !status.ok()) return status;
  SampleCollector collector(paths);
  for (size_t file = 0; file < paths.size(); ++file) {
    const std::filesystem::path& path = paths[file];
    absl::Status status;
    if (path.extension() == ".safetensors") {
      const auto read = limits.images ? ReadPixelSamples : ReadTokenSamples;
      status = read(path, static_cast<int32_t>(file), limits, collector);
    } else if (path.extension() != ".jsonl") {
      status = absl::InvalidArgumentError(absl::StrCat(path.string(), " is neither .jsonl nor .safetensors"));
    } else if (tokenizer == nullptr && !limits.images) {
      status = absl::InvalidArgumentError(absl::StrCat(
          path.string(), " holds text, but the model has no tokenizer: give token ids as .safetensors"));
    } else {
      status = ReadJsonlSamples(path, static_cast<int32_t>(file), tokenizer, limits, collector);
    }
    if (!status.ok()) return status;
  }
  return collector.Take();
}

}  // namespace kprune
