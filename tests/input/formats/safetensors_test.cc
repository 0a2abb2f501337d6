#include "engine/formats/safetensors.h"

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/formats/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/written_file.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path kGolden = fs::path(KPRUNE_SOURCE_DIR) / "tests/input/goldens/every_dtype.safetensors";

// A safetensors file of any header, however wrong.
std::string FileOf(std::string_view header, std::string_view data) {
  const uint64_t size = header.size();
  std::string file(sizeof(size), '\0');
  std::memcpy(file.data(), &size, sizeof(size));
  return file.append(header).append(data);
}

template <typename Element>
TensorView View(std::string name, DType dtype, std::vector<int64_t> shape,
                const std::vector<Element>& values) {
  return {std::move(name), dtype, std::move(shape),
          absl::MakeConstSpan(reinterpret_cast<const std::byte*>(values.data()),
                              values.size() * sizeof(Element))};
}

std::string Contents(const fs::path& path) {
  absl::StatusOr<std::string> contents = ReadFile(path, 1 << 20);
  EXPECT_TRUE(contents.ok()) << contents.status();
  return contents.value_or("");
}

TEST(Safetensors, Examples) {
  const TempDirectory folder;
  const std::vector<float> weight = {1, 2, 3, 4, 5, 6};
  const std::vector<int64_t> ids = {7};
  const fs::path path = folder.path() / "model.safetensors";
  const std::vector<TensorView> tensors = {View("weight", DType::kF32, {2, 3}, weight),
                                           View("ids", DType::kI64, {1}, ids)};
  ASSERT_TRUE(WriteSafetensors(path, tensors, {{"format", "pt"}}).ok());

  absl::StatusOr<std::unique_ptr<TensorSource>> source = OpenSafetensors(path);
  ASSERT_TRUE(source.ok()) << source.status();
  ASSERT_EQ((*source)->tensors().size(), 2u);
  EXPECT_EQ((*source)->tensors()[0].name, "ids");  // the widest elements come first
  const TensorView* read = (*source)->Find("weight");
  ASSERT_NE(read, nullptr);
  EXPECT_EQ(read->dtype, DType::kF32);
  EXPECT_THAT(read->shape, ElementsAre(2, 3));
  EXPECT_EQ(std::memcmp(read->bytes.data(), weight.data(), read->bytes.size()), 0);
  EXPECT_EQ((*source)->Find("bias"), nullptr);
}

TEST(Safetensors, AFileOfHuggingFacesLibraryIsReadInEveryElementType) {
  absl::StatusOr<std::unique_ptr<TensorSource>> source = OpenSafetensors(kGolden);
  ASSERT_TRUE(source.ok()) << source.status();
  EXPECT_EQ((*source)->tensors().size(), 10u);
  const TensorView* weight = (*source)->Find("b.weight");
  ASSERT_NE(weight, nullptr);
  EXPECT_THAT(weight->shape, ElementsAre(2, 3));
  float last = 0;
  std::memcpy(&last, weight->bytes.data() + 20, 4);
  EXPECT_EQ(last, 5.0f);
  EXPECT_THAT((*source)->Find("scalar")->shape, IsEmpty());
  EXPECT_THAT((*source)->Find("empty")->shape, ElementsAre(0, 4));
  EXPECT_EQ((*source)->Find("flags")->dtype, DType::kBool);
}

TEST(Safetensors, WhatIsWrittenAgainHasTheBytesThatHuggingFacesLibraryWrote) {
  absl::StatusOr<std::unique_ptr<TensorSource>> source = OpenSafetensors(kGolden);
  ASSERT_TRUE(source.ok()) << source.status();
  std::vector<TensorView> shuffled((*source)->tensors().rbegin(), (*source)->tensors().rend());
  const TempDirectory folder;
  ASSERT_TRUE(WriteSafetensors(folder.path() / "again", shuffled, {{"format", "pt"}}).ok());
  EXPECT_EQ(Contents(folder.path() / "again"), Contents(kGolden));
}

TEST(Safetensors, NoTemporaryFileIsLeftBesideTheResult) {
  const TempDirectory folder;
  ASSERT_TRUE(WriteSafetensors(folder.path() / "a", {}, {}).ok());
  ASSERT_TRUE(WriteSafetensors(folder.path() / "a", {}, {{"k", "v"}}).ok());  // replaces
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder.path()))
    files += entry.path().filename() == "a" ? 1 : 100;
  EXPECT_EQ(files, 1);
  EXPECT_THAT(Contents(folder.path() / "a"), HasSubstr("\"k\":\"v\""));
}

TEST(Safetensors, AWriterRefusesTensorsThatDisagreeWithThemselves) {
  const TempDirectory folder;
  const fs::path path = folder.path() / "a";
  const std::vector<float> values = {1, 2};
  const auto message = [&](const std::vector<TensorView>& tensors) {
    const absl::Status status = WriteSafetensors(path, tensors, {});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(message({View("w", DType::kF32, {3}, values)}),
              AllOf(HasSubstr("\"w\""), HasSubstr("12 bytes")));
  EXPECT_THAT(message({View("w", DType::kF32, {-2}, values)}), HasSubstr("impossible shape"));
  EXPECT_THAT(message({View("w", DType::kF32, {2}, values), View("w", DType::kF32, {2}, values)}),
              HasSubstr("two tensors have the name \"w\""));
  EXPECT_THAT(message({View("__metadata__", DType::kF32, {2}, values)}), HasSubstr("cannot have the name"));
  EXPECT_THAT(message({View("\xff", DType::kF32, {2}, values)}), HasSubstr("UTF-8"));
  EXPECT_FALSE(fs::exists(path));
}

struct Hostile {
  const char* name;
  std::string file;
  const char* problem;  // part of the sentence
};

class HostileSafetensors : public testing::TestWithParam<Hostile> {};

TEST_P(HostileSafetensors, IsRefusedInOneSentenceThatNamesTheFile) {
  const TempDirectory folder;
  const fs::path path = WriteFile(folder, "hostile.safetensors", GetParam().file);
  const absl::Status status = OpenSafetensors(path).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(path.string()), HasSubstr(GetParam().problem)));
  EXPECT_EQ(std::string(status.message()).find('\n'), std::string::npos);
}

std::string Tensor(std::string_view entry, std::string_view data = "12345678") {
  return FileOf(std::string(R"({"w":)").append(entry).append("}"), data);
}

std::string ManyTensors(int count) {
  std::string header = "{";
  for (int i = 0; i < count; ++i) {
    header +=
        (i == 0 ? "\"" : ",\"") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  return FileOf(header + "}", "");
}

const std::string kHuge = "9223372036854775807";

INSTANTIATE_TEST_SUITE_P(
    Headers, HostileSafetensors,
    testing::Values(
        Hostile{"Empty", "", "0 bytes are no safetensors file"},
        Hostile{"SevenBytes", "1234567", "7 bytes are no safetensors file"},
        Hostile{"HeaderPastTheEnd", FileOf("{}", "").substr(0, 9),
                "header size is 2 bytes, accepted are at most 1"},
        Hostile{"HeaderOfAllOnes", std::string(16, '\xff'), "header size is 18446744073709551615"},
        Hostile{"Pickle", std::string("\x80\x02}q\x00(X\x05\x00\x00\x00.", 12), "header size"},
        Hostile{"Zip", std::string("PK\x03\x04\x14\x00\x00\x00\x08\x00", 10), "header size"},
        Hostile{"NoJson", FileOf("hello", ""), "not valid JSON"},
        Hostile{"EmptyHeader", FileOf("", ""), "not valid JSON"},
        Hostile{"TrailingText", FileOf("{}x", ""), "not valid JSON"},
        Hostile{"BrokenUtf8", FileOf("{\"\xff\":1}", ""), "not valid JSON"},
        Hostile{"DeepNesting", FileOf(std::string(100'000, '['), ""), "nested more than 64 deep"},
        Hostile{"AnArray", FileOf("[]", ""), "not a JSON object"},
        Hostile{"MetadataNotStrings", FileOf(R"({"__metadata__":{"a":1}})", ""),
                "__metadata__ \"a\" is not a string"},
        Hostile{"MetadataNoObject", FileOf(R"({"__metadata__":[]})", ""), "__metadata__ is not an object"},
        Hostile{
            "DuplicateTensor",
            FileOf(
                R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                "1"),
            "the key \"w\" appears twice"},
        Hostile{"DuplicateField", Tensor(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})"),
                "the key \"dtype\" appears twice"},
        Hostile{"EntryNoObject", Tensor("7"), "tensor \"w\" does not have exactly the keys"},
        Hostile{"MissingShape", Tensor(R"({"dtype":"F32","data_offsets":[0,8]})"), "exactly the keys"},
        Hostile{"UnknownField", Tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})"),
                "exactly the keys"},
        Hostile{"UnknownDType", Tensor(R"({"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]})"),
                "has the dtype \"F8_E4M3\", accepted are F64"},
        Hostile{"DTypeNoString", Tensor(R"({"dtype":4,"shape":[2],"data_offsets":[0,8]})"),
                "dtype that is not a string"},
        Hostile{"ShapeNoArray", Tensor(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})"),
                "shape that is not an array"},
        Hostile{"FractionInShape", Tensor(R"({"dtype":"F32","shape":[1.5],"data_offsets":[0,8]})"),
                "not a whole number"},
        Hostile{"FloatInShape", Tensor(R"({"dtype":"F32","shape":[2.0],"data_offsets":[0,8]})"),
                "not a whole number"},
        Hostile{"ExponentInShape", Tensor(R"({"dtype":"F32","shape":[2e0],"data_offsets":[0,8]})"),
                "not a whole number"},
        Hostile{"NegativeInShape", Tensor(R"({"dtype":"F32","shape":[-2,-1],"data_offsets":[0,8]})"),
                "not a whole number"},
        Hostile{"StringInShape", Tensor(R"({"dtype":"F32","shape":["2"],"data_offsets":[0,8]})"),
                "not a whole number"},
        Hostile{"NullInShape", Tensor(R"({"dtype":"F32","shape":[null],"data_offsets":[0,8]})"),
                "not a whole number"},
        Hostile{"TooLargeForSixtyThreeBits",
                Tensor(R"({"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]})"),
                "not a whole number"},
        Hostile{"TooLargeForSixtyFourBits",
                Tensor(R"({"dtype":"F32","shape":[18446744073709551618],"data_offsets":[0,8]})"),
                "not a whole number"},
        Hostile{"ProductOverflows",
                Tensor(R"({"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]})", ""),
                "overflows 64 bits"},
        Hostile{"BytesOverflow", Tensor(R"({"dtype":"F32","shape":[)" + kHuge + R"(],"data_offsets":[0,8]})"),
                "overflows 64 bits"},
        Hostile{"ZeroHidesOverflow",
                Tensor(R"({"dtype":"F32","shape":[0,)" + kHuge + R"(],"data_offsets":[0,0]})", ""),
                "overflows 64 bits"},
        Hostile{"AbsurdRank", Tensor(R"({"dtype":"U8","shape":[1,1,1,1,1,1,1,1,8],"data_offsets":[0,8]})"),
                "9 dimensions"},
        Hostile{"OneOffset", Tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[8]})"),
                "array of two numbers"},
        Hostile{"FloatOffset", Tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8.0]})"),
                "data_offsets that are not whole"},
        Hostile{"NegativeOffset", Tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"),
                "data_offsets that are not whole"},
        Hostile{"OffsetsReversed", Tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"),
                "data_offsets [8, 0]"},
        Hostile{"OffsetPastTheEnd", Tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})"),
                "the file has 8 bytes of data"},
        Hostile{"ShapeAgainstOffsets", Tensor(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"),
                "which takes 12 bytes, but its data_offsets span 8"},
        Hostile{"DTypeAgainstOffsets", Tensor(R"({"dtype":"F16","shape":[2],"data_offsets":[0,8]})"),
                "which takes 4 bytes"},
        Hostile{
            "Overlap",
            FileOf(
                R"({"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                "12345678"),
            "tensor \"b\" overlaps"},
        Hostile{
            "SameBytesTwice",
            FileOf(
                R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})",
                "12345678"),
            "overlaps"},
        Hostile{
            "Hole",
            FileOf(
                R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})",
                "12345678"),
            "tensor \"b\" leaves a hole of 2 bytes"},
        Hostile{"HoleAtTheStart", Tensor(R"({"dtype":"U8","shape":[4],"data_offsets":[4,8]})"),
                "leaves a hole of 4 bytes"},
        Hostile{
            "EmptyTensorInsideAnother",
            FileOf(
                R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}})",
                "12345678"),
            "tensor \"b\" overlaps"},
        Hostile{"BytesAfterTheLastTensor", Tensor(R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})"),
                "the tensors end 4 bytes before the file does"},
        Hostile{"EmptyName", FileOf(R"({"":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})", ""),
                "name of 0 bytes"},
        Hostile{
            "AbsurdName",
            FileOf("{\"" + std::string(513, 'n') + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                   ""),
            "name of 513 bytes"},
        Hostile{"AbsurdCount", ManyTensors(kMaxTensorCount + 2), "at most 100000 are accepted"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Safetensors, AMissingFileIsNotFoundAndAFolderIsRefused) {
  const TempDirectory folder;
  EXPECT_EQ(OpenSafetensors(folder.path() / "none").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(OpenSafetensors(folder.path()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace kprune
