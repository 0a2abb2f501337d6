// Every exported form of every kind of model gives what the model gives.
#include "engine/export/exports.h"

#include <ATen/ATen.h>

#include <string>

#include "engine/evaluation/outputs.h"
#include "engine/export/export_verification.h"
#include "engine/formats/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/export/runtime.h"
#include "tests/engine/model/tiny_encoder.h"
#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string BytesOf(const fs::path& path) {
  const absl::StatusOr<std::string> bytes = ReadFile(path, int64_t{1} << 30);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.value_or("");
}

class ExportsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::vector<VerifiedFormat>> WriteAndVerify(const Encoder& encoder,
                                                             const OnnxRuntime* runtime) {
    if (absl::Status status = WriteExports(encoder, options_, folder_.path()); !status.ok()) return status;
    return Verify(encoder, runtime);
  }

  absl::StatusOr<std::vector<VerifiedFormat>> Verify(const Encoder& encoder, const OnnxRuntime* runtime) {
    // More than are run at once, of many lengths.
    const std::vector<Sample> samples =
        SamplesOfLengths({5, 1, 9, 24, 2, 7, 7, 3, 16, 12, 4, 8, 6, 10, 11, 13, 14, 1, 20}, encoder.config);
    return VerifyExports(folder_.path(), encoder, samples, RunSamples(encoder, samples), runtime);
  }

  void ExpectBothRun(const Encoder& encoder) {
    const absl::StatusOr<std::vector<VerifiedFormat>> formats = WriteAndVerify(encoder, &Runtime());
    ASSERT_TRUE(formats.ok()) << formats.status();
    ASSERT_EQ(formats->size(), 2u);
    for (const VerifiedFormat& format : *formats) {
      ASSERT_TRUE(format.difference) << format.format;
      EXPECT_LT(*format.difference, 1e-5) << format.format << " by " << format.by;
    }
  }

  const TempDirectory folder_;
  Options options_;
};

TEST_F(ExportsTest, Examples) {
  const absl::StatusOr<std::vector<VerifiedFormat>> formats =
      WriteAndVerify(testing::RandomEncoder(), &Runtime());
  ASSERT_TRUE(formats.ok()) << formats.status();
  ASSERT_EQ(formats->size(), 2u);
  EXPECT_EQ((*formats)[0].format, "torchscript");
  EXPECT_THAT((*formats)[0].by, HasSubstr("LibTorch "));
  EXPECT_EQ((*formats)[1].format, "onnx");
  EXPECT_EQ((*formats)[1].by, "ONNX Runtime " + Runtime().version());
  EXPECT_LT(*(*formats)[1].difference, 1e-5);
  const nlohmann::json json = VerificationJson(*formats);
  EXPECT_EQ(json["verified_by"][1], (*formats)[1].by);
  EXPECT_EQ(json["formats"][0]["max_difference"], *(*formats)[0].difference);
}

TEST_F(ExportsTest, WithoutARuntimeAnOnnxModelIsChecked) {
  const auto formats = WriteAndVerify(testing::RandomEncoder(), nullptr);
  ASSERT_TRUE(formats.ok()) << formats.status();
  EXPECT_EQ((*formats)[1].by, "ONNX checker");
  EXPECT_FALSE((*formats)[1].difference);
  EXPECT_TRUE(VerificationJson(*formats)["formats"][1]["max_difference"].is_null());
}

TEST_F(ExportsTest, EverySizeOfASublayerDownToNone) {
  Encoder encoder = testing::RandomEncoder({.layers = 3});
  encoder.Keep(0, {1});
  encoder.Keep(1, {0, 4, 9});
  encoder.Keep(2, {});
  encoder.Keep(3, {});
  encoder.Keep(5, {7});
  ExpectBothRun(encoder);
}

TEST_F(ExportsTest, AModelWithoutAnyUnit) {
  Encoder encoder = testing::RandomEncoder();
  for (int t = 0; t < encoder.num_sublayers(); ++t) encoder.Keep(t, {});
  ExpectBothRun(encoder);
}

TEST_F(ExportsTest, EveryActivation) {
  for (const char* activation : {"gelu", "gelu_new", "relu", "silu"}) {
    SCOPED_TRACE(activation);
    Encoder encoder = testing::RandomEncoder();
    encoder.config.activation = activation;
    ExpectBothRun(encoder);
  }
}

TEST_F(ExportsTest, EveryTask) {
  for (const Task task : {Task::kSingleLabel, Task::kMultiLabel, Task::kRegression}) {
    SCOPED_TRACE(static_cast<int>(task));
    ExpectBothRun(testing::RandomEncoder({.task = task, .labels = task == Task::kRegression ? 1 : 3}));
  }
  for (const Pooling pooling : {Pooling::kMean, Pooling::kCls, Pooling::kLastToken, Pooling::kMax,
                                Pooling::kMeanSqrtLen}) {
    for (const bool normalize : {false, true}) {
      Encoder encoder = testing::RandomEncoder({.task = Task::kEmbedding});
      encoder.config.pooling = pooling;
      encoder.config.normalize = normalize;
      ExpectBothRun(encoder);
    }
  }
}

TEST_F(ExportsTest, TheSameModelGivesTheSameBytes) {
  options_.exports = {"onnx", "torchscript", "triton"};
  const TempDirectory again;
  const Encoder encoder = testing::RandomEncoder();
  ASSERT_TRUE(WriteExports(encoder, options_, folder_.path()).ok());
  ASSERT_TRUE(WriteExports(encoder, options_, again.path()).ok());
  for (const char* file : {kOnnxFile, kTorchScriptFile, kTritonModelFile, kTritonConfigFile})
    EXPECT_EQ(BytesOf(folder_.path() / file), BytesOf(again.path() / file)) << file;
  EXPECT_EQ(BytesOf(folder_.path() / kOnnxFile), BytesOf(folder_.path() / kTritonModelFile));
  EXPECT_THAT(BytesOf(folder_.path() / kTritonConfigFile), HasSubstr("dims: [ 3 ]"));
}

TEST_F(ExportsTest, OnlyWhatIsAskedForIsWritten) {
  options_.exports = {"dense"};
  const auto formats = WriteAndVerify(testing::RandomEncoder(), &Runtime());
  ASSERT_TRUE(formats.ok()) << formats.status();
  EXPECT_TRUE(formats->empty());
  EXPECT_TRUE(fs::is_empty(folder_.path()));
}

TEST_F(ExportsTest, AnExportOfAnotherModelIsNoticed) {
  ASSERT_TRUE(WriteExports(testing::RandomEncoder({.seed = 2}), options_, folder_.path()).ok());
  const Encoder encoder = testing::RandomEncoder();
  absl::Status status = Verify(encoder, &Runtime()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("the torchscript model, run by LibTorch"));
  fs::remove(folder_.path() / kTorchScriptFile);
  status = Verify(encoder, &Runtime()).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("the onnx model, run by ONNX Runtime"));
}

TEST_F(ExportsTest, ADamagedExportIsNoticed) {
  const Encoder encoder = testing::RandomEncoder();
  for (const char* file : {kTorchScriptFile, kOnnxFile}) {
    SCOPED_TRACE(file);
    ASSERT_TRUE(WriteExports(encoder, options_, folder_.path()).ok());
    fs::resize_file(folder_.path() / file, fs::file_size(folder_.path() / file) / 2);
    const absl::Status status = Verify(encoder, nullptr).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(file));
  }
}

TEST_F(ExportsTest, AModelTooLargeForOneOnnxFileIsRefusedBeforeAnyWork) {
  constexpr int64_t kHuge = 1'200'000'000;  // parameters
  const Options half{.keep_flops = {0.5}}, most{.keep_flops = {0.9}};
  EXPECT_FALSE(CheckExportable(kHuge, half).ok());
  const absl::Status status = CheckExportable(kHuge / 2, most);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("leave onnx out of export"));
  EXPECT_TRUE(CheckExportable(kHuge / 3, half).ok());
  EXPECT_TRUE(CheckExportable(kHuge, {.exports = {"torchscript"}}).ok());
}

// The checkpoints that transformers wrote: every family, type and task that there is.
class ExportedGoldenTest : public ExportsTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(ExportedGoldenTest, GivesTheSameOutputs) {
  Encoder encoder = Loaded(Opened(fs::path(KPRUNE_SOURCE_DIR) / "tests/engine/goldens" / GetParam()));
  ExpectBothRun(encoder);
  encoder.Keep(0, {0});
  encoder.Keep(1, {});
  ExpectBothRun(encoder);
}

INSTANTIATE_TEST_SUITE_P(Goldens, ExportedGoldenTest,
                         ::testing::Values("bert_bf16_sharded", "bert_embedding_cls", "bert_embedding_mean",
                                           "bert_fp16", "bert_multi_label", "bert_regression",
                                           "bert_single_label", "distilbert_embedding",
                                           "distilbert_single_label"));

}  // namespace
}  // namespace kprune
