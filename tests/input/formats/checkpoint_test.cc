#include "engine/formats/checkpoint.h"

#include <filesystem>
#include <string>
#include <vector>

#include "engine/formats/safetensors.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/input/written_file.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr char kIndex[] = "model.safetensors.index.json";

// Writes a file of one-byte tensors.
void WriteTensors(const fs::path& path, const std::vector<std::string>& names) {
  static const std::vector<uint8_t> byte = {42};
  std::vector<TensorView> tensors;
  for (const std::string& name : names) {
    tensors.push_back(
        {name, DType::kU8, {1}, absl::MakeConstSpan(reinterpret_cast<const std::byte*>(byte.data()), 1)});
  }
  ASSERT_TRUE(WriteSafetensors(path, tensors, {}).ok());
}

class CheckpointTest : public testing::Test {
 protected:
  void WriteShards() {
    WriteTensors(folder_.path() / "model-00001-of-00002.safetensors", {"a", "b"});
    WriteTensors(folder_.path() / "model-00002-of-00002.safetensors", {"c"});
  }

  void ExpectRefused(absl::StatusCode code, const std::vector<std::string>& parts) {
    const absl::Status status = OpenCheckpoint(folder_.path()).status();
    EXPECT_EQ(status.code(), code) << status;
    for (const std::string& part : parts) EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }

  TempDirectory folder_;
};

TEST_F(CheckpointTest, Examples) {
  WriteShards();
  WriteFile(folder_, kIndex,
            R"({"metadata":{"total_size":3},"weight_map":{"a":"model-00001-of-00002.safetensors",
               "b":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors"}})");
  absl::StatusOr<std::unique_ptr<TensorSource>> sharded = OpenCheckpoint(folder_.path());
  ASSERT_TRUE(sharded.ok()) << sharded.status();
  EXPECT_EQ((*sharded)->tensors().size(), 3u);
  ASSERT_NE((*sharded)->Find("c"), nullptr);
  EXPECT_EQ((*sharded)->Find("c")->bytes[0], std::byte{42});
  EXPECT_EQ((*sharded)->Find("d"), nullptr);

  WriteTensors(folder_.path() / "model.safetensors", {"whole"});  // one file goes before an index
  absl::StatusOr<std::unique_ptr<TensorSource>> single = OpenCheckpoint(folder_.path());
  ASSERT_TRUE(single.ok()) << single.status();
  EXPECT_NE((*single)->Find("whole"), nullptr);
}

TEST_F(CheckpointTest, AMissingShardIsNamed) {
  WriteShards();
  WriteFile(folder_, kIndex, R"({"weight_map":{"a":"model-00003-of-00003.safetensors"}})");
  ExpectRefused(absl::StatusCode::kNotFound, {"lacks the shard model-00003-of-00003.safetensors"});
}

TEST_F(CheckpointTest, ATensorThatItsShardLacksIsNamed) {
  WriteShards();
  WriteFile(folder_, kIndex,
            R"({"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00001-of-00002.safetensors",
               "x":"model-00002-of-00002.safetensors","c":"model-00002-of-00002.safetensors"}})");
  ExpectRefused(absl::StatusCode::kInvalidArgument,
                {"model-00002-of-00002.safetensors lacks the tensor \"x\""});
}

TEST_F(CheckpointTest, ATensorThatTheIndexDoesNotPlaceIsNamed) {
  WriteShards();
  WriteFile(folder_, kIndex, R"({"weight_map":{"a":"model-00001-of-00002.safetensors"}})");
  ExpectRefused(absl::StatusCode::kInvalidArgument, {"holds the tensor \"b\""});
}

TEST_F(CheckpointTest, ShardNamesThatAreNoPlainNamesAreRefusedWithoutOpeningThem) {
  for (const std::string name :
       {"../model.safetensors", "/etc/passwd", "model/../x.safetensors", "1_Pooling/config.json",
        "config.json", "weights.safetensors", "pytorch_model.bin", "", ".model.safetensors"}) {
    WriteFile(folder_, kIndex, R"({"weight_map":{"a":")" + name + R"("}})");
    ExpectRefused(absl::StatusCode::kInvalidArgument,
                  {"tensor \"a\"", "\"" + name + "\"", "a plain name model*.safetensors"});
  }
}

TEST_F(CheckpointTest, ABrokenIndexIsRefused) {
  WriteFile(folder_, kIndex, "{");
  ExpectRefused(absl::StatusCode::kInvalidArgument, {kIndex, "not valid JSON"});
  WriteFile(folder_, kIndex, R"({"weight_map":{}})");
  ExpectRefused(absl::StatusCode::kInvalidArgument, {"weight_map names 0 tensors"});
  WriteFile(folder_, kIndex, R"({"weight_map":{"a":1}})");
  ExpectRefused(absl::StatusCode::kInvalidArgument, {"weight_map gives tensor \"a\" the file 1"});
  WriteFile(folder_, kIndex, R"({})");
  ExpectRefused(absl::StatusCode::kInvalidArgument, {"weight_map is missing"});
}

TEST_F(CheckpointTest, OtherFormatsAreRefusedByName) {
  for (const char* name : {"pytorch_model.bin", "model.pt", "model.gguf", "model.pkl", "tf_model.h5"}) {
    const TempDirectory folder;
    const absl::Status status = OpenCheckpoint(WriteFile(folder, name, "x").parent_path()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(name), HasSubstr("safetensors only")));
  }
}

TEST_F(CheckpointTest, AFolderWithoutWeightsAndNoFolderAreNotFound) {
  ExpectRefused(absl::StatusCode::kNotFound, {"has no weights"});
  EXPECT_EQ(OpenCheckpoint(folder_.path() / "none").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace kprune
