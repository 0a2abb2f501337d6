#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/data/label_tensor.h"
#include "engine/data/sample_files.h"
#include "engine/data/task_lines.h"
#include "engine/formats/quoted.h"
#include "engine/formats/safetensors.h"

namespace kprune {
namespace {

std::vector<std::string> TensorNames(LabelKind kind) {
  if (kind == LabelKind::kSpan)
    return {"input_ids", "attention_mask", "token_type_ids", "start_positions", "end_positions"};
  return {"input_ids", "attention_mask", "token_type_ids", "labels"};
}

// One file of token ids: Open checks the tensors, a line is a row of them (of kChoice several).
class TokenFile : public SampleFile {
 public:
  TokenFile(const std::filesystem::path& path, int32_t file, const SampleLimits& limits)
      : path_(path), file_(file), limits_(limits) {}

  absl::Status Open() {
    absl::StatusOr<std::unique_ptr<TensorSource>> source = OpenSafetensors(path_);
    if (!source.ok()) return source.status();
    source_ = *std::move(source);
    const std::vector<std::string> names = TensorNames(limits_.label_kind);
    for (const TensorView& tensor : source_->tensors()) {
      if (std::find(names.begin(), names.end(), tensor.name) == names.end()) {
        return Refuse(absl::StrCat("there is the unknown tensor ", Quoted(tensor.name), ", accepted are ",
                                   absl::StrJoin(names, ", ")));
      }
    }
    ids_ = source_->Find("input_ids");
    mask_ = source_->Find("attention_mask");
    types_ = source_->Find("token_type_ids");
    labels_ = source_->Find("labels");
    starts_ = source_->Find("start_positions");
    ends_ = source_->Find("end_positions");
    const absl::Status status = CheckTensors();
    return status.ok() ? CheckLabelTensors() : status;
  }

  absl::StatusOr<bool> Next() override { return ++line_ <= ids_->shape[0]; }
  Record Current() const override { return {line_, "", absl::OkStatus(), "row"}; }

  absl::StatusOr<std::vector<Sample>> Samples(const Record& record) const override {
    std::vector<Sample> samples;
    const int64_t first = (record.number - 1) * sequences();
    for (int64_t row = first; row < first + sequences(); ++row) {
      absl::StatusOr<Sample> sample = ReadTokens(row);
      absl::Status status = sample.status();
      if (status.ok()) status = CheckTokens(limits_, *sample);
      if (status.ok()) status = ReadLabels(record.number - 1, *sample);
      if (!status.ok()) return status;
      sample->choice = static_cast<int32_t>(row - first);
      samples.push_back(*std::move(sample));
    }
    return samples;
  }

 private:
  // How many sequences a line has.
  int64_t sequences() const { return limits_.label_kind == LabelKind::kChoice ? ids_->shape[1] : 1; }

  absl::Status Refuse(absl::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat(path_.string(), ": ", problem));
  }

  absl::Status RefuseTensor(const TensorView& tensor, const std::string& accepted) const {
    return Refuse(kprune::RefuseTensor(tensor, accepted).message());
  }

  absl::Status CheckTensors() const {
    if (ids_ == nullptr) return Refuse("there is no tensor input_ids");
    const bool choices = limits_.label_kind == LabelKind::kChoice;
    const size_t rank = choices ? 3 : 2;
    const bool enough = ids_->shape.size() == rank && ids_->shape.back() > 0;
    if (!enough || (choices && ids_->shape[1] < 2) || !IsWhole(ids_->dtype)) {
      return RefuseTensor(*ids_, choices ? "I32 or I64 [samples, choices, tokens] with two choices or more"
                                         : "I32 or I64 [samples, tokens]");
    }
    for (const TensorView* tensor : {mask_, types_}) {
      if (tensor == nullptr) continue;
      const bool small = tensor->dtype == DType::kU8 || tensor->dtype == DType::kBool;
      if (tensor->shape != ids_->shape || !(small || IsWhole(tensor->dtype))) {
        return RefuseTensor(*tensor, "I32, I64, U8 or BOOL in the shape of input_ids");
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckLabelTensors() const {
    const int64_t lines = ids_->shape[0];
    if ((starts_ == nullptr) != (ends_ == nullptr))
      return Refuse("there is only one of start_positions and end_positions, accepted are both or none");
    for (const TensorView* tensor : {starts_, ends_}) {
      if (tensor == nullptr || (tensor->shape == std::vector<int64_t>{lines} && IsWhole(tensor->dtype)))
        continue;
      return RefuseTensor(*tensor, absl::StrCat("I32 or I64 [", lines, "]"));
    }
    if (labels_ == nullptr) return absl::OkStatus();
    if (has_token_labels()) {
      if (labels_->shape == ids_->shape && IsWhole(labels_->dtype)) return absl::OkStatus();
      return RefuseTensor(*labels_, "I32 or I64 in the shape of input_ids");
    }
    const absl::Status status = CheckLabelTensor(*labels_, lines);
    return status.ok() ? status : Refuse(status.message());
  }

  bool has_token_labels() const {
    return limits_.label_kind == LabelKind::kTokenClass || limits_.label_kind == LabelKind::kMaskedToken;
  }

  // How many tokens of a row are no padding.
  absl::StatusOr<int64_t> RowLength(int64_t row) const {
    const int64_t width = ids_->shape.back();
    int64_t length = width;
    if (mask_ != nullptr) {
      length = 0;
      for (int64_t at = 0; at < width; ++at) {
        const int64_t value = WholeNumberAt(*mask_, row * width + at);
        if (value != 0 && value != 1) {
          return absl::InvalidArgumentError(
              absl::StrCat("attention_mask holds ", value, ", accepted are 0 and 1"));
        }
        if (value == 1 && length != at) {
          return absl::InvalidArgumentError(
              "attention_mask has a 1 after a 0, accepted is padding on the right only");
        }
        length += value;
      }
    } else if (limits_.pad_token_id) {
      while (length > 0 && WholeNumberAt(*ids_, row * width + length - 1) == *limits_.pad_token_id) --length;
    }
    if (length == 0) return absl::InvalidArgumentError("the row is all padding: remove it");
    if (length > LongestSequence(limits_)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the row has ", length, " tokens, at most ", LongestSequence(limits_),
                       " are accepted (", limits_.max_length == 0 ? "the model's limit" : "max_length", ")"));
    }
    return length;
  }

  absl::StatusOr<Sample> ReadTokens(int64_t row) const {
    const int64_t width = ids_->shape.back();
    const absl::StatusOr<int64_t> length = RowLength(row);
    if (!length.ok()) return length.status();
    Sample sample;
    for (int64_t at = row * width; at < row * width + *length; ++at) {
      const int64_t id = WholeNumberAt(*ids_, at);
      const int64_t type = types_ == nullptr ? 0 : WholeNumberAt(*types_, at);
      if (id != static_cast<int32_t>(id) || type != static_cast<int32_t>(type)) {
        return absl::InvalidArgumentError(
            absl::StrCat("it holds ", id != static_cast<int32_t>(id) ? id : type, ", which is no token id"));
      }
      sample.input_ids.push_back(static_cast<int32_t>(id));
      sample.token_type_ids.push_back(static_cast<int32_t>(type));
    }
    return sample;
  }

  absl::Status ReadLabels(int64_t line, Sample& sample) const {
    if (has_token_labels()) return ReadTokenLabels(line, sample);
    if (starts_ != nullptr) return ReadSpan(line, sample);
    if (labels_ == nullptr) return absl::OkStatus();
    sample.labels = LabelsOfLine(*labels_, line);
    const bool choices = limits_.label_kind == LabelKind::kChoice;
    return CheckLabels(sample.labels, choices ? ChoiceLimits(sequences()) : limits_);
  }

  absl::Status ReadTokenLabels(int64_t row, Sample& sample) const {
    const auto length = static_cast<int64_t>(sample.input_ids.size());
    if (labels_ == nullptr) {
      if (limits_.label_kind == LabelKind::kTokenClass) return absl::OkStatus();
      std::vector<int32_t> places(length);
      std::iota(places.begin(), places.end(), 0);
      if (length > 2) places = {places.begin() + 1, places.end() - 1};  // not what frames the text
      return MaskTokens(std::move(places), limits_, file_, row + 1, sample);
    }
    const int64_t classes =
        limits_.label_kind == LabelKind::kMaskedToken ? limits_.vocab_size : limits_.num_labels;
    for (int64_t at = 0; at < length; ++at) {
      const int64_t label = WholeNumberAt(*labels_, row * ids_->shape.back() + at);
      if (label == kNoLabel) continue;
      if (label < 0 || label >= classes) {
        return absl::InvalidArgumentError(absl::StrCat("labels holds ", label, ", accepted are 0 to ",
                                                       classes - 1, " and ", kNoLabel, " for none"));
      }
      sample.positions.push_back(static_cast<int32_t>(at));
      sample.labels.push_back(static_cast<double>(label));
    }
    if (!sample.positions.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("no token of the row has a label: remove it");
  }

  absl::Status ReadSpan(int64_t row, Sample& sample) const {
    const int64_t start = WholeNumberAt(*starts_, row), end = WholeNumberAt(*ends_, row);
    const auto length = static_cast<int64_t>(sample.input_ids.size());
    if (start < 0 || end < start || end >= length) {
      return absl::InvalidArgumentError(absl::StrCat("the answer is from token ", start, " to ", end,
                                                     ", accepted are tokens from 0 to ", length - 1,
                                                     ", the first not behind the last"));
    }
    sample.labels = {static_cast<double>(start), static_cast<double>(end)};
    return absl::OkStatus();
  }

  const std::filesystem::path& path_;
  const int32_t file_;
  const SampleLimits& limits_;
  std::unique_ptr<TensorSource> source_;
  // Borrowed from source_; all but the first may be null.
  const TensorView* ids_ = nullptr;
  const TensorView* mask_ = nullptr;
  const TensorView* types_ = nullptr;
  const TensorView* labels_ = nullptr;
  const TensorView* starts_ = nullptr;
  const TensorView* ends_ = nullptr;
  int64_t line_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<SampleFile>> OpenTokenSamples(const std::filesystem::path& path, int32_t file,
                                                             const SampleLimits& limits) {
  auto tokens = std::make_unique<TokenFile>(path, file, limits);
  if (absl::Status status = tokens->Open(); !status.ok()) return status;
  return tokens;
}

}  // namespace kprune
