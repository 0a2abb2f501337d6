#include "engine/formats/onnxruntime.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_directory.h"

namespace kprune {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

// What it computes is shown with exported models (tests/engine/export).
TEST(OnnxRuntimeTest, Examples) {
  const auto runtime = OnnxRuntime::Load(KPRUNE_ONNXRUNTIME);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  EXPECT_THAT((*runtime)->version(), MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+.*"));
}

TEST(OnnxRuntimeTest, ALibraryThatIsNotThereIsRefused) {
  const absl::Status status = OnnxRuntime::Load("/no/such/libonnxruntime.so").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/no/such/libonnxruntime.so"));
}

TEST(OnnxRuntimeTest, AnotherLibraryIsRefused) {
  const absl::Status status = OnnxRuntime::Load("libcrypto.so.3").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("libcrypto.so.3 is no ONNX Runtime"));
}

TEST(OnnxRuntimeTest, WhatIsNoModelIsRefusedInItsOwnWords) {
  const auto runtime = OnnxRuntime::Load(KPRUNE_ONNXRUNTIME);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  const TempDirectory folder;
  const absl::Status status = (*runtime)->Open(folder.path() / "none.onnx", 1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("ONNX Runtime: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("none.onnx"));
}

}  // namespace
}  // namespace kprune
