#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/data/sample_files.h"
#include "engine/formats/quoted.h"
#include "engine/formats/safetensors.h"

namespace kprune {
namespace {

constexpr std::array kTensorNames = {"input_ids", "attention_mask", "token_type_ids", "labels"};

template <typename Element>
Element ElementAt(const TensorView& tensor, int64_t index) {
  Element element;  // the bytes may be unaligned
  std::memcpy(&element, tensor.bytes.data() + index * static_cast<int64_t>(sizeof(Element)), sizeof(Element));
  return element;
}

int64_t WholeNumberAt(const TensorView& tensor, int64_t index) {
  switch (tensor.dtype) {
    case DType::kI64:
      return ElementAt<int64_t>(tensor, index);
    case DType::kI32:
      return ElementAt<int32_t>(tensor, index);
    default:  // U8 and BOOL
      return ElementAt<uint8_t>(tensor, index);
  }
}

double NumberAt(const TensorView& tensor, int64_t index) {
  if (tensor.dtype == DType::kF64) return ElementAt<double>(tensor, index);
  if (tensor.dtype == DType::kF32) return ElementAt<float>(tensor, index);
  return static_cast<double>(WholeNumberAt(tensor, index));
}

// One file of token ids: Open checks the tensors, ReadRow makes a sample of one row.
class TokenFile {
 public:
  TokenFile(const std::filesystem::path& path, int32_t file, const SampleLimits& limits)
      : path_(path), file_(file), limits_(limits) {}

  absl::Status Open() {
    absl::StatusOr<std::unique_ptr<TensorSource>> source = OpenSafetensors(path_);
    if (!source.ok()) return source.status();
    source_ = *std::move(source);
    for (const TensorView& tensor : source_->tensors()) {
      if (std::find(kTensorNames.begin(), kTensorNames.end(), tensor.name) == kTensorNames.end()) {
        return Refuse(absl::StrCat("there is the unknown tensor ", Quoted(tensor.name), ", accepted are ",
                                   absl::StrJoin(kTensorNames, ", ")));
      }
    }
    ids_ = source_->Find("input_ids");
    mask_ = source_->Find("attention_mask");
    types_ = source_->Find("token_type_ids");
    labels_ = source_->Find("labels");
    return CheckTensors();
  }

  int64_t rows() const { return ids_->shape[0]; }

  absl::StatusOr<Sample> ReadRow(int64_t row) const {
    absl::StatusOr<Sample> sample = ReadTokens(row);
    absl::Status status = sample.status();
    if (status.ok()) status = CheckTokens(limits_, *sample);
    if (status.ok() && labels_ != nullptr) status = ReadLabels(row, *sample);
    if (!status.ok())
      return absl::Status(status.code(), absl::StrCat(PlaceOf(path_, row + 1), ": ", status.message()));
    sample->file = file_;
    sample->line = row + 1;
    return sample;
  }

 private:
  absl::Status Refuse(std::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat(path_.string(), ": ", std::string(problem)));
  }

  absl::Status RefuseTensor(const TensorView& tensor, std::string_view accepted) const {
    return Refuse(absl::StrCat(tensor.name, " is ", std::string(DTypeName(tensor.dtype)), " [",
                               absl::StrJoin(tensor.shape, ", "), "], accepted is ", std::string(accepted)));
  }

  absl::Status CheckTensors() const {
    if (ids_ == nullptr) return Refuse("there is no tensor input_ids");
    const auto is_whole = [](DType dtype) { return dtype == DType::kI32 || dtype == DType::kI64; };
    if (ids_->shape.size() != 2 || ids_->shape[1] == 0 || !is_whole(ids_->dtype)) {
      return RefuseTensor(*ids_, "I32 or I64 [samples, tokens]");
    }
    for (const TensorView* tensor : {mask_, types_}) {
      if (tensor == nullptr) continue;
      const bool small = tensor->dtype == DType::kU8 || tensor->dtype == DType::kBool;
      if (tensor->shape != ids_->shape || !(small || is_whole(tensor->dtype))) {
        return RefuseTensor(*tensor, "I32, I64, U8 or BOOL in the shape of input_ids");
      }
    }
    if (labels_ == nullptr) return absl::OkStatus();
    const bool real = labels_->dtype == DType::kF32 || labels_->dtype == DType::kF64;
    const size_t rank = labels_->shape.size();
    const bool shaped = (rank == 1 || (rank == 2 && labels_->shape[1] > 0)) && labels_->shape[0] == rows();
    if (!shaped || !(real || is_whole(labels_->dtype))) {
      return RefuseTensor(*labels_,
                          absl::StrCat("I32, I64, F32 or F64 [", rows(), "] or [", rows(), ", labels]"));
    }
    return absl::OkStatus();
  }

  // How many tokens of a row are no padding.
  absl::StatusOr<int64_t> RowLength(int64_t row) const {
    const int64_t width = ids_->shape[1];
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
    const int64_t width = ids_->shape[1];
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

  absl::Status ReadLabels(int64_t row, Sample& sample) const {
    const int64_t width = labels_->shape.size() == 2 ? labels_->shape[1] : 1;
    for (int64_t at = 0; at < width; ++at) sample.labels.push_back(NumberAt(*labels_, row * width + at));
    return CheckLabels(sample.labels, limits_);
  }

  const std::filesystem::path& path_;
  const int32_t file_;
  const SampleLimits& limits_;
  std::unique_ptr<TensorSource> source_;
  // Borrowed from source_; the last three may be null.
  const TensorView* ids_ = nullptr;
  const TensorView* mask_ = nullptr;
  const TensorView* types_ = nullptr;
  const TensorView* labels_ = nullptr;
};

}  // namespace

absl::Status ReadTokenSamples(const std::filesystem::path& path, int32_t file, const SampleLimits& limits,
                              SampleCollector& collector) {
  TokenFile tokens(path, file, limits);
  if (absl::Status status = tokens.Open(); !status.ok()) return status;
  for (int64_t row = 0; row < tokens.rows(); ++row) {
    absl::StatusOr<Sample> sample = tokens.ReadRow(row);
    if (!sample.ok()) return sample.status();
    if (absl::Status status = collector.Add(*std::move(sample)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace kprune
