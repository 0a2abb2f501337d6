// Job directories with models of images, on checkpoints that transformers wrote (tests/engine/goldens).
#ifndef KPRUNE_TESTS_WORKER_IMAGE_JOB_H_
#define KPRUNE_TESTS_WORKER_IMAGE_JOB_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/data/image.h"
#include "engine/formats/safetensors.h"
#include "tests/worker/job_directory.h"

namespace kprune::testing {

template <typename Element>
absl::Span<const std::byte> BytesOf(const std::vector<Element>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(Element)};
}

// `count` pictures; their labels, where they have some, are 0, 1, 2, 0 ...
inline void WritePictures(const std::filesystem::path& file, const ImageShape& shape, int64_t count,
                          bool labelled) {
  const auto each = static_cast<size_t>(shape.values());
  std::vector<float> values(static_cast<size_t>(count) * each);
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    AnyImage(shape, static_cast<uint32_t>(i))
        ->Write(absl::MakeSpan(values).subspan(static_cast<size_t>(i) * each, each));
    labels.push_back(i % 3);
  }
  std::vector<TensorView> tensors = {
      {"pixel_values", DType::kF32, {count, shape.channels, shape.height, shape.width}, BytesOf(values)}};
  if (labelled) tensors.push_back({"labels", DType::kI64, {count}, BytesOf(labels)});
  const absl::Status status = WriteSafetensors(file, tensors, {});
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

inline constexpr ImageShape kGoldenPicture = {3, 8, 12};

// Puts a golden, "vit_image_classification", in the place of a job's model, and pictures beside its data:
// data/samples.safetensors and, labelled, data/eval.safetensors.
inline void UseGoldenOfImages(const JobDirectory& job, const std::string& golden, int64_t pictures = 64) {
  std::filesystem::remove_all(job / "model");
  std::filesystem::copy(std::filesystem::path(KPRUNE_SOURCE_DIR) / "tests/engine/goldens" / golden,
                        job / "model");
  std::filesystem::remove(job / "model/golden.safetensors");
  WritePictures(job / "data/samples.safetensors", kGoldenPicture, pictures, /*labelled=*/false);
  WritePictures(job / "data/eval.safetensors", kGoldenPicture, pictures, /*labelled=*/true);
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_WORKER_IMAGE_JOB_H_
