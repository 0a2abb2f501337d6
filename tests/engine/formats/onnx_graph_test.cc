#include "engine/formats/onnx/onnx_graph.h"

#include "engine/formats/file.h"
#include "engine/formats/onnxruntime.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(OnnxGraphTest, Examples) {
  const TempDirectory folder;
  const std::filesystem::path path = folder.path() / "rows.onnx";
  OnnxGraph graph("rows");
  const auto ids = graph.AddInput("ids", {"rows", int64_t{2}});
  const std::vector<float> table = {1, 2, 3};
  const auto gathered = graph.Add("Gather", "pick", {graph.AddWeight("table", {3}, table), ids});
  graph.Add("Mul", "twice", {gathered, graph.Number(2)}, {}, "picked");
  graph.AddOutput("picked", {"rows", int64_t{2}});
  ASSERT_TRUE(graph.Write(path).ok());
  EXPECT_TRUE(CheckOnnx(path).ok());

  const auto runtime = OnnxRuntime::Load(KPRUNE_ONNXRUNTIME);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const auto session = (*runtime)->Open(path, 1);
  ASSERT_TRUE(session.ok()) << session.status();
  const std::vector<int64_t> rows = {2, 0, 1, 1};
  const auto picked = (*session)->Run({{"ids", rows}}, {2, 2}, {"picked"});
  ASSERT_TRUE(picked.ok()) << picked.status();
  ASSERT_EQ(picked->size(), 1u);
  EXPECT_THAT((*picked)[0], ElementsAre(6, 2, 4, 4));
  const absl::Status outside =
      (*session)->Run({{"ids", std::vector<int64_t>{3, 0}}}, {1, 2}, {"picked"}).status();
  EXPECT_THAT(std::string(outside.message()), HasSubstr("ONNX Runtime: "));
  EXPECT_FALSE((*session)->Run({{"ids", rows}}, {3, 2}, {"picked"}).ok()) << "three rows of four numbers";
}

TEST(OnnxGraphTest, EqualConstantsAreOne) {
  OnnxGraph graph("constants");
  EXPECT_EQ(graph.Integers({0, -1}), graph.Integers({0, -1}));
  EXPECT_NE(graph.Integers({0}), graph.Integers({0, 0}));
  EXPECT_EQ(graph.Number(0.5F), graph.Number(0.5F));
}

TEST(OnnxGraphTest, WhatIsNotSoundIsNotWritten) {
  const TempDirectory folder;
  OnnxGraph graph("dangling");
  graph.Add("Relu", "relu", {"nothing"}, {}, "out");
  graph.AddOutput("out", {"rows"});
  const absl::Status status = graph.Write(folder.path() / "dangling.onnx");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("nothing"));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "dangling.onnx"));
}

TEST(OnnxGraphTest, WhatIsNoModelIsNoticed) {
  const TempDirectory folder;
  const std::filesystem::path path = folder.path() / "model.onnx";
  ASSERT_TRUE(WriteFileDurably(path, std::string_view("no model")).ok());
  EXPECT_EQ(CheckOnnx(path).code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(WriteFileDurably(path, std::string_view()).ok());
  EXPECT_EQ(CheckOnnx(path).code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace kprune
