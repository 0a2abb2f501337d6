// Jobs that must not succeed: bad input by status and sentence, cancellation; nothing of them is visible.
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::kprune::testing::TinyModel;
using nlohmann::json;
using ::testing::HasSubstr;

const TinyModel kClassifier = {.task = "text-classification", .labels = 2};
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// What the checkpoint's last four bytes are: those of its last tensor.
void EndWeightsWith(const JobDirectory& job, float value) {
  std::fstream file(job / "model/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-static_cast<int>(sizeof(value)), std::ios::end);
  file.write(reinterpret_cast<const char*>(&value), sizeof(value));
}

void ChangeConfig(const JobDirectory& job, const json& changes) {
  json config = JobDirectory::ReadJson(job / "model/config.json");
  config.merge_patch(changes);
  testing::WriteFile(job / "model/config.json", config.dump());
}

// The sublayers' weights and every folder of the job's own are gone.
void ExpectNothingVisible(const JobDirectory& job) {
  EXPECT_FALSE(job.has_result());
  EXPECT_FALSE(fs::exists(job / "scratch/result"));
}

struct Refusal {
  const char* name;
  absl::StatusCode code;
  std::vector<std::string> message;
  json changes = json::object();
  TinyModel model = kClassifier;
  std::function<void(const JobDirectory&)> prepare = [](const JobDirectory&) {};
  // Whether the preflight sees it already; only values of weights wait for the job itself.
  bool at_preflight = true;
};

void PrintTo(const Refusal& value, std::ostream* out) { *out << value.name; }

class RefusedJobTest : public ::testing::TestWithParam<Refusal> {};

TEST_P(RefusedJobTest, SaysWhatToChange) {
  const Refusal& refusal = GetParam();
  const JobDirectory job(refusal.model, 24);
  refusal.prepare(job);
  for (const char* kind : {"prune", "preflight"}) {
    const absl::Status status = job.Run(kind, refusal.changes);
    if (kind == std::string("preflight") && !refusal.at_preflight) {
      EXPECT_TRUE(status.ok()) << status;
      break;
    }
    EXPECT_EQ(status.code(), refusal.code) << kind << ": " << status;
    for (const std::string& part : refusal.message)
      EXPECT_THAT(std::string(status.message()), HasSubstr(part)) << kind;
    ExpectNothingVisible(job);
  }
}

void WriteData(const JobDirectory& job, const std::string& text) {
  testing::WriteFile(job / "data/samples.jsonl", text);
}

INSTANTIATE_TEST_SUITE_P(
    Jobs, RefusedJobTest,
    ::testing::Values(
        Refusal{.name = "NaNWeights",
                .code = kInvalid,
                .message = {"bert.encoder.layer.1.intermediate.dense.weight", "NaN"},
                .model = {.task = "text-classification",
                          .poisoned_tensor = "bert.encoder.layer.1.intermediate.dense.weight"},
                .at_preflight = false},
        Refusal{
            .name = "InfiniteWeights",
            .code = kInvalid,
            .message = {"classifier.bias", "NaN or infinity"},
            .prepare =
                [](const JobDirectory& job) { EndWeightsWith(job, std::numeric_limits<float>::infinity()); },
            .at_preflight = false},
        Refusal{.name = "ShapesOfAnotherConfig",
                .code = kInvalid,
                .message = {"bert.encoder.layer.0.intermediate.dense.weight", "[64, 32]"},
                .prepare =
                    [](const JobDirectory& job) {
                      ChangeConfig(job, {{"intermediate_size", 128}});
                    }},
        Refusal{.name = "AllPaddingSample",
                .code = kInvalid,
                .message = {"ids.safetensors, row 2", "all padding"},
                .changes = {{"data", {"ids.safetensors"}}},
                .prepare =
                    [](const JobDirectory& job) {
                      testing::WriteTokenIds(job / "ids.safetensors", {{2, 9, 3}, {0, 0, 0}});
                    }},
        Refusal{
            .name = "BlankText",
            .code = kInvalid,
            .message = {"samples.jsonl, line 2"},
            .prepare =
                [](const JobDirectory& job) { WriteData(job, "{\"text\": \"good\"}\n{\"text\": \" \"}\n"); }},
        Refusal{.name = "AQuestionThatIsToGiveWay",
                .code = kInvalid,
                .message = {"truncation is only_first, but a question is never cut"},
                .changes = {{"options", {{"truncation", "only_first"}}}},
                .model = {.task = "question-answering"}},
        Refusal{.name = "NoSecondTextToGiveWay",
                .code = kInvalid,
                .message = {"truncation is only_second, but a line of token-classification has one text"},
                .changes = {{"options", {{"truncation", "only_second"}}}},
                .model = {.task = "token-classification"}},
        Refusal{.name = "ATruncationThatNobodyKnows",
                .code = kInvalid,
                .message = {"truncation", "middle", "longest_first"},
                .changes = {{"options", {{"truncation", "middle"}}}}},
        Refusal{.name = "TooFewSamplesToChooseWith",
                .code = kInvalid,
                .message = {"auto_mu needs at least 32 samples to prune with, and there are 22"},
                .changes = {{"options", {{"method", "kprune"}, {"auto_mu", true}}}}},
        Refusal{.name = "NothingToChoose",
                .code = kInvalid,
                .message = {"options.auto_lambda_rep is true", "method \"kprune\""},
                .changes = {{"options", {{"auto_lambda_rep", true}}}}},
        Refusal{.name = "MissingTensor",
                .code = kInvalid,
                .message = {"no tensor classifier.weight"},
                .model = {.task = "text-classification", .missing_tensor = "classifier.weight"}},
        Refusal{.name = "UnknownFamily",
                .code = kInvalid,
                .message = {"model_type", "longformer", "bert, camembert"},
                .model = {.family = "longformer", .task = "text-classification"}},
        Refusal{.name = "NoModelFolder",
                .code = absl::StatusCode::kNotFound,
                .message = {"nowhere does not exist"},
                .changes = {{"model", "nowhere"}}},
        Refusal{.name = "BudgetOverOne",
                .code = kInvalid,
                .message = {"keep_flops", "1.5"},
                .changes = {{"options", {{"keep_flops", 1.5}}}}},
        Refusal{.name = "BudgetOutOfReach",
                .code = absl::StatusCode::kFailedPrecondition,
                .message = {"keep_flops", " to 1"},
                .changes = {{"options", {{"keep_flops", 1e-9}}}}},
        Refusal{.name = "NoDataFile", .code = kInvalid, .message = {}, .changes = {{"data", json::array()}}},
        Refusal{.name = "EmptyData",
                .code = kInvalid,
                .message = {},
                .prepare = [](const JobDirectory& job) { WriteData(job, "\n\n"); }},
        Refusal{.name = "MissingDataFile",
                .code = absl::StatusCode::kNotFound,
                .message = {"none.jsonl"},
                .changes = {{"data", {"none.jsonl"}}}},
        Refusal{
            .name = "BrokenLine",
            .code = kInvalid,
            .message = {"samples.jsonl", "2"},
            .prepare = [](const JobDirectory& job) { WriteData(job, "{\"text\": \"good\"}\n{\"text\"\n"); }},
        Refusal{.name = "TokenIdOutOfRange",
                .code = kInvalid,
                .message = {"ids.safetensors", "5000"},
                .changes = {{"data", {"ids.safetensors"}}},
                .prepare =
                    [](const JobDirectory& job) {
                      testing::WriteTokenIds(job / "ids.safetensors", {{2, 9, 3}, {2, 5000, 3}});
                    }},
        Refusal{.name = "SequenceOverThePositionTable",
                .code = kInvalid,
                .message = {"64"},
                .changes = {{"data", {"ids.safetensors"}}},
                .prepare =
                    [](const JobDirectory& job) {
                      testing::WriteTokenIds(job / "ids.safetensors", {std::vector<int32_t>(65, 7)});
                    }},
        Refusal{.name = "LabelOutsideTheClasses",
                .code = kInvalid,
                .message = {"samples.jsonl", "label"},
                .prepare =
                    [](const JobDirectory& job) { WriteData(job, "{\"text\": \"good\", \"label\": 2}\n"); }},
        Refusal{.name = "EvalWithoutLabels",
                .code = kInvalid,
                .message = {"dev.jsonl has no labels"},
                .changes = {{"eval", {"dev.jsonl"}}},
                .prepare =
                    [](const JobDirectory& job) {
                      testing::WriteFile(job / "dev.jsonl", "{\"text\": \"good\"}\n");
                    }},
        Refusal{.name = "NothingLeftToPruneWith",
                .code = kInvalid,
                .message = {"holdout"},
                .changes = {{"options", {{"holdout", 0.99}}}}},
        Refusal{.name = "UnknownDevice",
                .code = kInvalid,
                .message = {"cuda:99", "cpu"},
                .changes = {{"options", {{"device", "cuda:99"}}}}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(OnnxRuntimeOfAJobTest, IsRequiredBeforeAnyWork) {
  JobDirectory job(kClassifier, 24);
  const json required = {{"options", {{"require_verified", "onnxruntime"}}}};
  job.onnxruntime = "none";
  for (const char* kind : {"prune", "preflight"}) {
    const absl::Status status = job.Run(kind, required);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << kind << ": " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("this worker has no ONNX Runtime")) << kind;
    ExpectNothingVisible(job);
  }
  job.onnxruntime = "/no/such/library.so";  // also where it is not required: somebody meant it to be used
  EXPECT_EQ(job.Run("prune").code(), absl::StatusCode::kNotFound);
  job.onnxruntime = KPRUNE_ONNXRUNTIME;
  EXPECT_TRUE(job.Run("prune", required).ok());
  EXPECT_THAT(job.Result(kReportFile)["verification"]["verified_by"][2].get<std::string>(),
              HasSubstr("ONNX Runtime"));
}

TEST(RefusedJobTest, AnUnknownKindNamesTheKnownOnes) {
  const JobDirectory job(kClassifier, 4);
  const absl::Status status = job.Run("distill");
  EXPECT_EQ(status.code(), kInvalid);
  EXPECT_THAT(std::string(status.message()), HasSubstr("distill"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("prune, preflight, evaluate, compare, bench, calibrate, verify, tokenize"));
}

TEST(RefusedJobTest, TextsNeedATokenizer) {
  const JobDirectory job(kClassifier, 4);
  fs::remove(job / "model/vocab.txt");
  const absl::Status status = job.Run("tokenize");
  EXPECT_EQ(status.code(), kInvalid) << status;
  ExpectNothingVisible(job);
}

TEST(RefusedJobTest, CompareNeedsModelsOfOneTask) {
  const JobDirectory job(kClassifier, 8);
  absl::Status status = job.Run("compare");
  EXPECT_EQ(status.code(), kInvalid);
  EXPECT_THAT(std::string(status.message()), HasSubstr("at least one other model"));
  testing::WriteTinyModel(job / "other", {.task = "text-classification", .labels = 5});
  status = job.Run("compare", {{"others", {"other"}}});
  EXPECT_EQ(status.code(), kInvalid);
  EXPECT_THAT(std::string(status.message()), HasSubstr("does another task"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("5 outputs against 2"));
  ExpectNothingVisible(job);
}

TEST(CancelledJobTest, LeavesNothingWhereverItIsCancelled) {
  const JobDirectory job(kClassifier, 24);
  testing::WriteTinyModel(job / "other", kClassifier);
  for (const char* kind : {"prune", "preflight", "evaluate", "compare", "tokenize"}) {
    const json changes = kind == std::string("compare") ? json{{"others", {"other"}}} : json::object();
    int cancelled_runs = 0;
    for (int question = 0;; question += 1 + question / 2) {
      RecordingObserver observer(question);
      const absl::Status status = job.Run(kind, changes, observer);
      if (status.ok()) break;  // it asked less often than that
      EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << kind << " " << question << ": " << status;
      ExpectNothingVisible(job);
      ++cancelled_runs;
    }
    EXPECT_GE(cancelled_runs, 1) << kind;
    EXPECT_TRUE(job.has_result()) << kind;
    fs::remove_all(job / "result");
  }
}

}  // namespace
}  // namespace kprune
