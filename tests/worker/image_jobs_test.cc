// Jobs with models that look at images do what jobs with text do.
#include <filesystem>
#include <string>
#include <vector>

#include "engine/cost/flops.h"
#include "engine/model/model_folder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kprune/layout.h"
#include "tests/worker/image_job.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::kGoldenPicture;
using ::kprune::testing::ReadFile;
using nlohmann::json;
using ::testing::HasSubstr;

const json kPictures = {{"data", {"data/samples.safetensors"}}};

class ImageJobTest : public ::testing::Test {
 protected:
  ImageJobTest() { testing::UseGoldenOfImages(job_, "vit_image_classification"); }

  static json WithOptions(const json& options) {
    json changes = kPictures;
    changes["options"] = options;
    return changes;
  }

  absl::Status Prune(const json& options) { return job_.Run("prune", WithOptions(options)); }

  // What such a job is refused with.
  std::string Refusal(const std::string& kind, const json& changes) {
    const absl::Status status = job_.Run(kind, changes);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_FALSE(job_.has_result());
    return std::string(status.message());
  }

  const JobDirectory job_{{}};
};

TEST_F(ImageJobTest, Examples) {
  json changes = WithOptions(
      {{"keep_flops", 0.5}, {"export", {"safetensors", "onnx", "torchscript", "triton", "dense"}}});
  changes["eval"] = {"data/eval.safetensors"};
  testing::WriteFile(job_ / "model/preprocessor_config.json",
                     R"({"image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 12}})");
  const absl::Status status = job_.Run("prune", changes);
  ASSERT_TRUE(status.ok()) << status;
  const json report = job_.Result(kReportFile);
  EXPECT_EQ(report["task"], "image-classification");
  EXPECT_EQ(report["family"], "vit");
  EXPECT_LE(report["flops"]["ratio"], 0.5);
  EXPECT_EQ(report["sequence_length"], 9);
  EXPECT_EQ(report["metric"]["name"], "accuracy");
  EXPECT_EQ(report["metric"]["n"], 64);
  EXPECT_EQ(report["verification"]["formats"].size(), 4u);
  EXPECT_LT(report["verification"]["max_difference"], 1e-4);
  EXPECT_TRUE(fs::exists(job_ / "result/preprocessor_config.json"));
  EXPECT_EQ(
      *ReadJsonFile(job_ / "result/config.json")->at("auto_map").get_ptr<const json::object_t*>(),
      (json::object_t{{"AutoModel", "modeling_kprune.ViTModel"},
                      {"AutoModelForImageClassification", "modeling_kprune.ViTForImageClassification"}}));
  EXPECT_THAT(ReadFile(job_ / "result/triton/model/config.pbtxt"),
              HasSubstr("name: \"pixel_values\"\n    data_type: TYPE_FP32\n    dims: [ 3, 8, 12 ]"));
  const std::string card = ReadFile(job_ / "result/README.md");
  EXPECT_THAT(card, HasSubstr("pipeline_tag: image-classification"));
  EXPECT_THAT(card, HasSubstr("processor = AutoImageProcessor.from_pretrained(\".\")"));
  EXPECT_THAT(card, HasSubstr("names = [argument.name for argument in model.forward.schema.arguments[1:]]"));

  // What was made is what the report says, and times and judges as any other.
  fs::rename(job_ / "result", job_ / "half");
  ASSERT_TRUE(job_.Run("verify", {{"model", "half"}, {"data", nullptr}}).ok());
  EXPECT_EQ(job_.Result(kVerificationFile)["formats"].size(), 4u);
  fs::remove_all(job_ / "result");
  const json sides = {{"data", {"data/eval.safetensors"}}, {"others", {"half"}}};
  ASSERT_TRUE(job_.Run("compare", sides).ok());
  EXPECT_EQ(job_.Result(kComparisonFile)["models"][1]["metric"]["value"], report["metric"]["pruned"]);
}

TEST_F(ImageJobTest, EveryWayOfPruningComesToItsBudget) {
  for (const json& options :
       {json{{"method", "kprune"}, {"predictive", "kl-gradient"}},
        json{{"method", "kprune"}, {"scoring", "paper-code"}}, json{{"variants", 3}, {"distill", 3}},
        json{{"variants", 0}}, json{{"keep_flops", {0.6, 0.4}}}, json{{"precision", "bf16"}}}) {
    SCOPED_TRACE(options.dump());
    json all = {{"keep_flops", 0.5}};
    all.update(options);
    const absl::Status status = Prune(all);
    ASSERT_TRUE(status.ok()) << status;
    const json report = job_.Result(kReportFile);
    const json models = report.contains("models") ? report["models"] : json::array({report});
    EXPECT_EQ(models.size(), all["keep_flops"].is_array() ? 2u : 1u);
    fs::remove_all(job_ / "result");
  }
}

TEST_F(ImageJobTest, TheSmallestWithinALossAndTheFastestEnoughAreFound) {
  json changes = WithOptions({{"max_drop", 60}});
  changes["eval"] = {"data/eval.safetensors"};
  absl::Status status = job_.Run("prune", changes);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_FALSE(job_.Result(kReportFile)["max_drop"]["tried"].empty());
  fs::remove_all(job_ / "result");

  status = job_.Run("calibrate", {{"data", nullptr}, {"calibration", {{"seconds", 0.3}}}});
  ASSERT_TRUE(status.ok()) << status;
  const json table = job_.Result(kLatencyTableFile);
  ASSERT_EQ(table["rows"].size(), 1u);
  EXPECT_EQ(table["rows"][0]["tokens"], 9);
  double whole = table["rows"][0]["other_ms"];
  for (const char* part : {"attention_ms", "feed_forward_ms"})
    whole += 2 * table["rows"][0][part].back().get<double>();
  fs::remove_all(job_ / "result");
  status = Prune({{"target_latency_ms", 0.97 * whole}, {"latency_table", table}});
  ASSERT_TRUE(status.ok()) << status;
}

TEST_F(ImageJobTest, AJobThatWasCancelledGoesOnWhereItWas) {
  ASSERT_TRUE(Prune({{"keep_flops", 0.5}}).ok());
  const std::string whole = ReadFile(job_ / "result/model.safetensors");
  fs::remove_all(job_ / "result");
  int cancelled = 0;
  for (int at = 10; !job_.has_result(); at += 6) {
    RecordingObserver observer(at);
    const absl::Status status = job_.Run("prune", WithOptions({{"keep_flops", 0.5}}), observer);
    if (status.ok()) break;
    EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
    ++cancelled;
  }
  EXPECT_GT(cancelled, 1);
  EXPECT_EQ(ReadFile(job_ / "result/model.safetensors"), whole);
}

TEST_F(ImageJobTest, PreflightCountsTheTokensOfEveryPicture) {
  const absl::Status status = job_.Run("preflight", WithOptions({{"keep_flops", 0.5}, {"holdout", 0}}));
  ASSERT_TRUE(status.ok()) << status;
  const json preflight = job_.Result(kPreflightFile);
  EXPECT_EQ(preflight["task"], "image-classification");
  EXPECT_EQ(preflight["samples"], 64);
  EXPECT_EQ(preflight["tokens"], 64 * 9);
  const absl::StatusOr<ModelFolder> model = OpenModelFolder((job_ / "model").string(), {});
  EXPECT_DOUBLE_EQ(preflight["original_flops"], EncoderFlops(model->config, 9));
}

TEST_F(ImageJobTest, EncodersAndBothHeadsOfDeitArePruned) {
  for (const char* golden : {"vit_feature_extraction", "deit_feature_extraction", "deit_with_teacher"}) {
    SCOPED_TRACE(golden);
    testing::UseGoldenOfImages(job_, golden);
    const absl::Status status = Prune({{"keep_flops", 0.5}});
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_LT(job_.Result(kReportFile)["verification"]["max_difference"], 1e-4);
    const json config = *ReadJsonFile(job_ / "result/config.json");
    if (std::string(golden) == "deit_with_teacher") {
      EXPECT_EQ(config["auto_map"]["AutoModelForImageClassification"],
                "modeling_kprune.DeiTForImageClassificationWithTeacher");
    }
    fs::remove_all(job_ / "result");
  }
}

TEST_F(ImageJobTest, ModelsAreTimedOnPictures) {
  const json bench = {{"batch_sizes", {2}}, {"repeats", 1}};
  ASSERT_TRUE(job_.Run("bench", {{"data", nullptr}, {"bench", bench}}).ok());
  for (const json& row : job_.Result(kBenchFile)["rows"]) EXPECT_EQ(row["tokens"], 9);
  fs::remove_all(job_ / "result");
  ASSERT_TRUE(job_.Run("evaluate", {{"data", {"data/eval.safetensors"}}}).ok());
  EXPECT_EQ(job_.Result(kEvaluationFile)["latency"]["tokens"], 9);
}

TEST_F(ImageJobTest, WhatHasNoMeaningForPicturesIsRefused) {
  EXPECT_THAT(Refusal("prune", WithOptions({{"max_length", 5}})),
              HasSubstr("max_length is of models that read text; this one makes 9 tokens of every image"));
  EXPECT_THAT(Refusal("prune", WithOptions({{"sequence_length", 5}})),
              HasSubstr("sequence_length is of models"));
  EXPECT_THAT(Refusal("prune", WithOptions({{"truncation", "only_first"}})),
              HasSubstr("truncation is only_first, but this model reads pictures"));
  EXPECT_THAT(Refusal("prune", WithOptions({{"task", "fill-mask"}})),
              HasSubstr("there are no models for fill-mask"));
  EXPECT_THAT(Refusal("tokenize", kPictures), HasSubstr("the model looks at images"));
  EXPECT_THAT(Refusal("bench", {{"data", nullptr}, {"bench", {{"lengths", {5}}}}}),
              HasSubstr("lengths is given"));
  EXPECT_THAT(Refusal("calibrate", {{"data", nullptr}, {"calibration", {{"lengths", {5}}}}}),
              HasSubstr("calibration.lengths is given"));
}

TEST_F(ImageJobTest, PicturesMayComeAsLines) {
  testing::WriteFile(job_ / "model/preprocessor_config.json", R"({"size": {"height": 8, "width": 12}})");
  // One pixel, red.
  const std::string png =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";
  std::string lines;
  for (int i = 0; i < 40; ++i) lines += json{{"image", png}, {"label", "LABEL_1"}}.dump() + "\n";
  testing::WriteFile(job_ / "data/samples.jsonl", lines);
  const absl::Status status = job_.Run("prune", {{"options", {{"keep_flops", 0.5}}}});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(job_.Result(kReportFile)["samples"], 36);
  EXPECT_TRUE(fs::exists(job_ / "result/preprocessor_config.json"));
}

TEST_F(ImageJobTest, AModelOfTextDoesNotTakePictures) {
  const JobDirectory text({.task = "text-classification"});
  testing::WritePictures(text / "data/samples.safetensors", kGoldenPicture, 4, /*labelled=*/false);
  const absl::Status status = text.Run("prune", kPictures);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("unknown tensor"));
}

}  // namespace
}  // namespace kprune
