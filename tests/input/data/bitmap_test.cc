// Pictures against what Pillow and transformers made of them (tests/input/goldens/make_picture_goldens.py).
#include "engine/data/bitmap.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/formats/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;

const TensorSource& Goldens() {
  static const auto* const goldens = new auto(*OpenSafetensors(std::filesystem::path(KPRUNE_SOURCE_DIR) /
                                                               "tests/input/goldens/pictures.safetensors"));
  return **goldens;
}

std::string FileOf(const std::string& name) {
  const TensorView& file = *Goldens().Find(name + ".file");
  return {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()};
}

// The settings that the goldens were made with.
ImageProcessor Vit() {
  return {.resize = ImageSize{12, 10},
          .rescale_factor = 1.0 / 255,
          .mean = {0.48, 0.45, 0.4},
          .deviation = {0.22, 0.23, 0.24}};
}
ImageProcessor VitLarge() {
  return {.resize = ImageSize{23, 26},
          .resample = Resample::kBicubic,
          .rescale_factor = 1.0 / 255,
          .mean = {0.5, 0.5, 0.5},
          .deviation = {0.5, 0.5, 0.5}};
}
ImageProcessor Deit() {
  ImageProcessor processor = VitLarge();
  processor.resize = ImageSize{17, 13};
  processor.center_crop = ImageSize{12, 10};
  return processor;
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const TensorView& tensor : Goldens().tensors()) {
    if (const size_t end = tensor.name.find(".file"); end != std::string::npos)
      names.push_back(tensor.name.substr(0, end));
  }
  return names;
}

class PictureTest : public ::testing::TestWithParam<std::string> {};

TEST_P(PictureTest, BecomesWhatTransformersMakesOfIt) {
  const absl::StatusOr<Bitmap> bitmap = DecodeImage(FileOf(GetParam()), 3);
  ASSERT_TRUE(bitmap.ok()) << bitmap.status();
  int compared = 0;
  for (auto [suffix, processor] :
       {std::pair(".vit", Vit()), std::pair(".deit", Deit()), std::pair(".vit_large", VitLarge())}) {
    processor.tables = TablesOf(processor, 3);
    const TensorView* const expected = Goldens().Find(GetParam() + suffix);
    if (expected == nullptr) continue;
    ++compared;
    const std::shared_ptr<const Image> image = MakeImage(*bitmap, processor);
    ASSERT_EQ((std::vector<int64_t>{3, image->shape().height, image->shape().width}), expected->shape);
    std::vector<float> pixels(static_cast<size_t>(image->shape().values())), wanted(pixels.size());
    image->Write(absl::MakeSpan(pixels));
    std::memcpy(wanted.data(), expected->bytes.data(), expected->bytes.size());
    for (size_t i = 0; i < pixels.size(); ++i) ASSERT_NEAR(pixels[i], wanted[i], 1e-6) << suffix << " " << i;
  }
  EXPECT_GE(compared, 1);
}

INSTANTIATE_TEST_SUITE_P(Goldens, PictureTest, ::testing::ValuesIn(Names()),
                         [](const auto& info) { return info.param; });

TEST(BitmapTest, GreyIsWhatPillowMakesOfColours) {
  for (const char* name : {"jpeg", "png", "png_transparent"}) {
    const TensorView& expected = *Goldens().Find(std::string(name) + ".grey");
    const absl::StatusOr<Bitmap> grey = DecodeImage(FileOf(name), 1);
    ASSERT_TRUE(grey.ok()) << grey.status();
    ASSERT_EQ((std::vector<int64_t>{grey->height, grey->width}), expected.shape);
    EXPECT_EQ(std::memcmp(grey->values.data(), expected.bytes.data(), expected.bytes.size()), 0) << name;
  }
}

TEST(BitmapTest, APictureThatIsCroppedLargerHasZerosAround) {
  Bitmap bitmap(1, 2, 1);
  bitmap.values = {7, 9};
  const Bitmap large = CenterCropped(bitmap, {3, 5});
  EXPECT_EQ(large.values, (std::vector<uint8_t>{0, 0, 0, 0, 0, 0, 0, 7, 9, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(CenterCropped(large, {1, 2}).values, (std::vector<uint8_t>{0, 7}));
}

TEST(BitmapTest, WhatIsNoPictureIsRefused) {
  const struct {
    std::string file;
    const char* part;
  } refusals[] = {
      {"", "neither a JPEG nor a PNG"},
      {"GIF89a", "neither a JPEG nor a PNG"},
      {"\xff\xd8\xff", "the JPEG is damaged"},
      {"\x89PNG\r\n\x1a\n", "the PNG is damaged: it ends before its last row"},
      {FileOf("jpeg").substr(0, 500), "the JPEG is damaged"},
      {FileOf("png").substr(0, FileOf("png").size() - 60), "the PNG is damaged"},
  };
  for (const auto& refusal : refusals) {
    const absl::Status status = DecodeImage(refusal.file, 3).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(refusal.part));
  }
}

// The size stands in its first chunk, or segment; libpng then finds a wrong checksum, which is as well.
TEST(BitmapTest, SizesThatNobodyCouldHoldAreRefused) {
  std::string jpeg = FileOf("jpeg");
  const size_t frame = jpeg.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  jpeg.replace(frame + 5, 4, "\xfe\xf0\xfe\xf0");
  const absl::Status status = DecodeImage(jpeg, 3).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("65264 x 65264 pixels, accepted are at most 40000000"));
  std::string png = FileOf("png");
  png.replace(16, 4, "\x7f\xff\xff\xff");
  EXPECT_EQ(DecodeImage(png, 3).status().code(), absl::StatusCode::kInvalidArgument);
}

// Bytes at random places are others: whatever comes of it comes as a value.
TEST(BitmapTest, DamagedFilesNeverEndTheProgram) {
  std::mt19937 random(1);
  int decoded = 0, refused = 0;
  for (const std::string& name : Names()) {
    for (int i = 0; i < 60; ++i) {
      std::string file = FileOf(name);
      for (int change = 0; change < 1 + i % 4; ++change)
        file[2 + random() % (file.size() - 2)] = static_cast<char>(random());
      if (i % 5 == 0) file.resize(random() % file.size());
      const absl::StatusOr<Bitmap> bitmap = DecodeImage(file, 3);
      ++(bitmap.ok() ? decoded : refused);
      if (!bitmap.ok()) {
        EXPECT_EQ(bitmap.status().code(), absl::StatusCode::kInvalidArgument) << bitmap.status();
      }
    }
  }
  EXPECT_GT(decoded, 20);
  EXPECT_GT(refused, 200);
}

}  // namespace
}  // namespace kprune
