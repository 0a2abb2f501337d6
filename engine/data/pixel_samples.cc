// OpenPixelSamples: pictures as safetensors.
#include <cmath>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/data/image_processor.h"
#include "engine/data/label_tensor.h"
#include "engine/data/sample_files.h"
#include "engine/formats/quoted.h"
#include "engine/formats/safetensors.h"

namespace kprune {
namespace {

// The pictures of one file, which stays mapped while samples refer to it.
class PixelFile : public SampleFile {
 public:
  PixelFile(const std::filesystem::path& path, const SampleLimits& limits)
      : path_(path), limits_(limits), shape_(limits.images->shape) {}

  absl::Status Open() {
    absl::StatusOr<std::unique_ptr<TensorSource>> source = OpenSafetensors(path_);
    if (!source.ok()) return source.status();
    source_ = *std::move(source);
    for (const TensorView& tensor : source_->tensors()) {
      if (tensor.name != "pixel_values" && tensor.name != "labels") {
        return Refuse(absl::StrCat("there is the unknown tensor ", Quoted(tensor.name),
                                   ", accepted are pixel_values and labels"));
      }
    }
    pixels_ = source_->Find("pixel_values");
    labels_ = source_->Find("labels");
    if (pixels_ == nullptr) return Refuse("there is no tensor pixel_values");
    absl::Status status = CheckPixels();
    if (status.ok() && labels_ != nullptr) status = CheckLabelTensor(*labels_, rows());
    return status.ok() ? status : Refuse(status.message());
  }

  absl::StatusOr<bool> Next() override { return ++line_ <= rows(); }
  Record Current() const override { return {line_, "", absl::OkStatus(), "row"}; }

  absl::StatusOr<std::vector<Sample>> Samples(const Record& record) const override {
    const int64_t row = record.number - 1;
    const int64_t bytes = shape_.values() * SizeOf(pixels_->dtype);
    Sample sample;
    sample.image = std::make_shared<StoredImage>(
        shape_, pixels_->dtype,
        pixels_->bytes.subspan(static_cast<size_t>(row * bytes), static_cast<size_t>(bytes)), source_,
        tables_, /*mapped=*/true);
    sample.image_tokens = limits_.images->tokens;
    absl::Status status = CheckFinite(*sample.image);
    if (status.ok() && labels_ != nullptr) {
      sample.labels = LabelsOfLine(*labels_, row);
      status = CheckLabels(sample.labels, limits_);
    }
    if (!status.ok()) return status;
    return std::vector<Sample>{std::move(sample)};
  }

 private:
  int64_t rows() const { return pixels_->shape[0]; }

  absl::Status Refuse(absl::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat(path_.string(), ": ", problem));
  }

  absl::Status CheckPixels() {
    const DType dtype = pixels_->dtype;
    const std::vector<int64_t>& shape = pixels_->shape;
    const bool bytes = dtype == DType::kU8;
    const bool values = dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
    if (shape.size() != 4 || ImageShape{shape[1], shape[2], shape[3]} != shape_ || !(bytes || values)) {
      return RefuseTensor(*pixels_, absl::StrCat("F32, F16, BF16 or U8 [pictures, ", shape_.channels, ", ",
                                                 shape_.height, ", ", shape_.width, "]"));
    }
    if (!bytes) return absl::OkStatus();
    const auto& processor = limits_.images->processor;
    if (!processor.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("pixel_values is U8, and what says how bytes become pixel values cannot be used (",
                       processor.status().message(), "): give F32"));
    }
    tables_ = (*processor)->tables;
    return absl::OkStatus();
  }

  absl::Status CheckFinite(const Image& image) const {
    if (pixels_->dtype == DType::kU8) return absl::OkStatus();
    std::vector<float> values(static_cast<size_t>(shape_.values()));
    image.Write(absl::MakeSpan(values));
    for (const float value : values) {
      if (!std::isfinite(value))
        return absl::InvalidArgumentError("pixel_values holds NaN or infinity, accepted are finite values");
    }
    return absl::OkStatus();
  }

  const std::filesystem::path path_;
  const SampleLimits& limits_;
  const ImageShape shape_;
  int64_t line_ = 0;
  std::shared_ptr<const TensorSource> source_;  // shared with the pictures
  const TensorView* pixels_ = nullptr;          // borrowed from source_, as is the next one
  const TensorView* labels_ = nullptr;          // may be null
  std::shared_ptr<const PixelTables> tables_;   // null: no U8
};

}  // namespace

absl::StatusOr<std::unique_ptr<SampleFile>> OpenPixelSamples(const std::filesystem::path& path,
                                                             const SampleLimits& limits) {
  auto pixels = std::make_unique<PixelFile>(path, limits);
  if (absl::Status status = pixels->Open(); !status.ok()) return status;
  return pixels;
}

}  // namespace kprune
