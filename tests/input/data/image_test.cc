#include "engine/data/image.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "engine/data/image_processor.h"
#include "engine/data/samples.h"
#include "engine/data/variants.h"
#include "engine/formats/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/written_file.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr ImageShape kShape = {2, 2, 3};

template <typename Element>
absl::Span<const std::byte> BytesOf(const std::vector<Element>& values) {
  return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(Element)};
}

std::vector<float> PixelsOf(const Image& image) {
  std::vector<float> pixels(static_cast<size_t>(image.shape().values()));
  image.Write(absl::MakeSpan(pixels));
  return pixels;
}

// From 0 on.
std::vector<float> Rising(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return values;
}

class ImageSamplesTest : public ::testing::Test {
 protected:
  ImageSamplesTest() {
    limits_.label_kind = LabelKind::kClass;
    limits_.num_labels = 3;
    limits_.images = {kShape, 7, absl::NotFoundError("there is no preprocessor_config.json")};
  }

  absl::StatusOr<SampleSet> Read(const std::vector<TensorView>& tensors) {
    const fs::path path = folder_.path() / "pictures.safetensors";
    const absl::Status status = WriteSafetensors(path, tensors, {});
    if (!status.ok()) return status;
    return ReadSamples({path}, /*tokenizer=*/nullptr, limits_);
  }

  std::string Refusal(const std::vector<TensorView>& tensors) {
    const absl::Status status = Read(tensors).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }

  absl::StatusOr<ImageProcessor> Processor(const std::string& json, const ImageShape& shape = kShape) {
    WriteFile(folder_, "preprocessor_config.json", json);
    return ReadImageProcessor(folder_.path(), shape);
  }

  const TempDirectory folder_;
  SampleLimits limits_;
  const std::vector<float> values_ = Rising(3 * kShape.values());
  const std::vector<int64_t> labels_ = {2, 0, 1};
  const TensorView pixels_ = {"pixel_values", DType::kF32, {3, 2, 2, 3}, BytesOf(values_)};
};

TEST_F(ImageSamplesTest, Examples) {
  const absl::StatusOr<SampleSet> set = Read({pixels_, {"labels", DType::kI64, {3}, BytesOf(labels_)}});
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ(set->samples.size(), 3u);
  EXPECT_TRUE(set->labelled);
  const Sample& second = set->samples[1];
  EXPECT_EQ(second.tokens(), 7);
  EXPECT_THAT(second.labels, ElementsAre(0));
  EXPECT_EQ(second.line, 2);
  EXPECT_THAT(PixelsOf(*second.image), ElementsAre(12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23));
  EXPECT_EQ(second.image->bytes(), 0) << "it stays in the file";
  EXPECT_EQ(PixelsOf(*second.image), PixelsOf(*second.image)) << "its pages come back";
  EXPECT_EQ(NumLines(set->samples), 3);
}

TEST_F(ImageSamplesTest, SixteenBitsAreRead) {
  // 1, -2, the smallest and the largest of binary16, -0 and a third; and 1, -2 and so on of bfloat16.
  const std::vector<uint16_t> half = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x3555,
                                      0x3c00, 0x3c00, 0x3c00, 0x3c00, 0x3c00, 0x3c00};
  absl::StatusOr<SampleSet> set = Read({{"pixel_values", DType::kF16, {1, 2, 2, 3}, BytesOf(half)}});
  ASSERT_TRUE(set.ok()) << set.status();
  std::vector<float> pixels = PixelsOf(*set->samples[0].image);
  pixels.resize(6);
  EXPECT_THAT(pixels, ElementsAre(1, -2, 0x1p-24F, 65504, 0, 0.333251953125F));
  EXPECT_TRUE(std::signbit(pixels[4]));
  const std::vector<uint16_t> brain(12, 0xc040);
  set = Read({{"pixel_values", DType::kBF16, {1, 2, 2, 3}, BytesOf(brain)}});
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(PixelsOf(*set->samples[0].image), std::vector<float>(12, -3));
}

TEST_F(ImageSamplesTest, BytesAreScaledAndNormalisedAsTheFolderSays) {
  const absl::StatusOr<ImageProcessor> processor = Processor(
      R"({"image_processor_type": "ViTImageProcessor", "size": {"height": 2, "width": 3},
          "image_mean": [0.5, 0.25], "image_std": [0.5, 0.125]})");
  ASSERT_TRUE(processor.ok()) << processor.status();
  limits_.images->processor = std::make_shared<const ImageProcessor>(*processor);
  const std::vector<uint8_t> bytes = {0, 255, 51, 0, 0, 0, 0, 255, 51, 0, 0, 0};
  const absl::StatusOr<SampleSet> set = Read({{"pixel_values", DType::kU8, {1, 2, 2, 3}, BytesOf(bytes)}});
  ASSERT_TRUE(set.ok()) << set.status();
  const std::vector<float> pixels = PixelsOf(*set->samples[0].image);
  EXPECT_THAT((std::vector<float>{pixels[0], pixels[1], pixels[2]}),
              ElementsAre(-1, 1, (0.2F - 0.5F) / 0.5F));
  EXPECT_THAT((std::vector<float>{pixels[6], pixels[7], pixels[8]}),
              ElementsAre(-2, 6, (0.2F - 0.25F) / 0.125F));
}

TEST_F(ImageSamplesTest, WhatIsNoPictureOfTheModelIsRefused) {
  EXPECT_THAT(
      Refusal({{"pixel_values", DType::kF32, {3, 2, 3, 2}, BytesOf(values_)}}),
      HasSubstr("pixel_values is F32 [3, 2, 3, 2], accepted is F32, F16, BF16 or U8 [pictures, 2, 2, 3]"));
  EXPECT_THAT(Refusal({{"labels", DType::kI64, {3}, BytesOf(labels_)}}), HasSubstr("no tensor pixel_values"));
  EXPECT_THAT(Refusal({pixels_, {"input_ids", DType::kI64, {3}, BytesOf(labels_)}}),
              HasSubstr("unknown tensor \"input_ids\", accepted are pixel_values and labels"));
  const std::vector<int64_t> wrong = {2, 0, 3}, few = {2, 0};
  EXPECT_THAT(Refusal({pixels_, {"labels", DType::kI64, {3}, BytesOf(wrong)}}),
              HasSubstr("row 3: the label is 3, accepted is a whole number from 0 to 2"));
  EXPECT_THAT(Refusal({pixels_, {"labels", DType::kI64, {2}, BytesOf(few)}}), HasSubstr("labels is I64 [2]"));
  std::vector<float> infinite = values_;
  infinite[20] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(Refusal({{"pixel_values", DType::kF32, {3, 2, 2, 3}, BytesOf(infinite)}}),
              HasSubstr("row 2: pixel_values holds NaN or infinity"));
  const std::vector<uint8_t> bytes(12);
  EXPECT_THAT(Refusal({{"pixel_values", DType::kU8, {1, 2, 2, 3}, BytesOf(bytes)}}),
              HasSubstr("(there is no preprocessor_config.json): give F32"));
}

TEST_F(ImageSamplesTest, ProcessorsAreReadAsTransformersReadsThem) {
  absl::StatusOr<ImageProcessor> deit = Processor(
      R"({"feature_extractor_type": "DeiTFeatureExtractor", "size": 4, "crop_size": {"height": 2, "width": 3}})");
  ASSERT_TRUE(deit.ok()) << deit.status();
  EXPECT_EQ(*deit->resize, (ImageSize{4, 4}));
  EXPECT_EQ(deit->resample, Resample::kBicubic);
  EXPECT_EQ(*deit->center_crop, (ImageSize{2, 3}));
  EXPECT_THAT(deit->mean, ElementsAre(0.5, 0.5));
  absl::StatusOr<ImageProcessor> plain =
      Processor(R"({"do_resize": false, "do_rescale": false, "do_normalize": false})");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_FALSE(plain->resize || plain->center_crop);
  EXPECT_EQ((*plain->tables)[1][200], 200);
}

TEST_F(ImageSamplesTest, ProcessorsThatCannotBeUsedAreRefused) {
  const struct {
    const char *json, *part;
  } refusals[] = {
      {R"({"image_processor_type": "CLIPImageProcessor"})",
       "accepted are ViTImageProcessor and DeiTImageProcessor"},
      {R"({"size": 224})", "makes pictures of 224 x 224, but config.json's image_size is 2 x 3"},
      {R"({"size": {"shortest_edge": 224}})", "size is an object"},
      {R"({"size": 2.5})", "size is 2.5; accepted are a number, or \"height\" and \"width\""},
      {R"({"resample": 1})", "resample is 1, accepted is a whole number from 2 to 3"},
      {R"({"do_resize": false, "image_std": [1, 0]})", "image_std"},
      {R"({"do_resize": false, "image_mean": [1, 2, 3]})", "accepted are 2 numbers, or one for all channels"},
      {R"({"do_resize": false, "rescale_factor": "1/255"})", "rescale_factor"},
      {R"({"do_resize": false, "rescale_factor": 1e300})", "make pixel values that are too large"},
      {"[]", "not an object"},
  };
  for (const auto& refusal : refusals) {
    SCOPED_TRACE(refusal.json);
    const absl::Status status = Processor(refusal.json).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(refusal.part));
  }
  EXPECT_TRUE(absl::IsNotFound(ReadImageProcessor(folder_.path() / "nowhere", kShape).status()));
}

TEST_F(ImageSamplesTest, LinesHavePicturesInBase64) {
  const absl::StatusOr<ImageProcessor> processor = Processor(
      R"({"size": {"height": 2, "width": 3}, "image_mean": 0, "image_std": 1, "rescale_factor": 1})",
      {3, 2, 3});
  ASSERT_TRUE(processor.ok()) << processor.status();
  limits_.images = {{3, 2, 3}, 7, std::make_shared<const ImageProcessor>(*processor)};
  // 1 x 1, red.
  const std::string png =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";
  const fs::path path = WriteFile(folder_, "pictures.jsonl",
                                  "{\"image\": \"" + png + "\", \"label\": 2}\n\n" +
                                      "{\"image\": \"data:image/png;base64," + png + "\", \"label\": 0}\n");
  const absl::StatusOr<SampleSet> set = ReadSamples({path}, /*tokenizer=*/nullptr, limits_);
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ(set->samples.size(), 2u);
  EXPECT_THAT(set->samples[1].labels, ElementsAre(0));
  EXPECT_EQ(set->samples[1].line, 3);
  const std::vector<float> red = {255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  for (const Sample& sample : set->samples) EXPECT_EQ(PixelsOf(*sample.image), red);
  EXPECT_EQ(set->samples[0].image->bytes(), 18);
}

TEST_F(ImageSamplesTest, LinesWithoutASoundPictureAreRefused) {
  limits_.images->processor = std::make_shared<const ImageProcessor>();
  const auto refusal = [&](const std::string& line) {
    const fs::path path = WriteFile(folder_, "pictures.jsonl", line);
    return std::string(ReadSamples({path}, /*tokenizer=*/nullptr, limits_).status().message());
  };
  EXPECT_THAT(refusal("{\"text\": \"good\"}"), HasSubstr("line 1: there is no \"image\""));
  EXPECT_THAT(refusal("{\"image\": 5}"), HasSubstr("there is no \"image\""));
  EXPECT_THAT(refusal("{\"image\": \"!\"}"), HasSubstr("image is no base64"));
  EXPECT_THAT(refusal("{\"image\": \"data:image/png\"}"), HasSubstr("image is no base64"));
  EXPECT_THAT(refusal("{\"image\": \"R0lGODlh\"}"), HasSubstr("neither a JPEG nor a PNG"));
  EXPECT_THAT(refusal("[]"), HasSubstr("accepted is an object"));
  limits_.images->processor = absl::NotFoundError("there is no preprocessor_config.json");
  EXPECT_THAT(refusal("{\"image\": \"R0lGODlh\"}"), HasSubstr("give pixel_values as .safetensors"));
}

class ImageVariantsTest : public ::testing::Test {
 protected:
  ImageVariantsTest() {
    for (uint32_t i = 0; i < 40; ++i) {
      Sample& sample = samples_.emplace_back();
      sample.image = AnyImage({3, 10, 8}, i);
      sample.image_tokens = 5;
      sample.labels = {1};
    }
  }

  std::vector<std::vector<float>> Variants(int count, uint32_t seed) const {
    std::vector<std::vector<float>> pixels;
    for (const Sample& variant : MakeVariants(samples_, count, seed)) {
      EXPECT_TRUE(variant.labels.empty());
      EXPECT_EQ(variant.tokens(), 5);
      EXPECT_LT(variant.image->bytes(), 400) << "pixels are made when they are asked for";
      pixels.push_back(PixelsOf(*variant.image));
    }
    return pixels;
  }

  std::vector<Sample> samples_;
};

TEST_F(ImageVariantsTest, Examples) {
  const auto variants = Variants(2, 7);
  ASSERT_EQ(variants.size(), 80u);
  EXPECT_EQ(variants, Variants(2, 7)) << "the same seed, the same variants";
  EXPECT_NE(variants, Variants(2, 8));
  EXPECT_GT(std::set(variants.begin(), variants.end()).size(), 70u) << "few are the picture itself";
}

TEST_F(ImageVariantsTest, ShowWhatPicturesShow) {
  int mirrored = 0, same = 0;
  const auto variants = Variants(10, 3);
  for (size_t i = 0; i < variants.size(); ++i) {
    const std::vector<float> original = PixelsOf(*samples_[i % samples_.size()].image);
    std::vector<float> mirror = original;
    for (auto row = mirror.begin(); row != mirror.end(); row += 8) std::reverse(row, row + 8);
    mirrored += variants[i] == mirror;
    same += variants[i] == original;
    for (const float value : variants[i]) ASSERT_LE(std::abs(value), 1);
  }
  // 0.3 x 0.3 x 0.7 of 400 are mirrored alone, and 0.3 x 0.7 x 0.7 nothing at all.
  EXPECT_NEAR(mirrored, 25, 15);
  EXPECT_NEAR(same, 59, 22);
}

}  // namespace
}  // namespace kprune
