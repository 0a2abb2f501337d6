// A C++ program that links nothing but LibTorch, examples/torchscript_classifier, computes with a result what
// the engine computes.
#include <ATen/ATen.h>

#include <filesystem>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "engine/evaluation/outputs.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/process.h"
#include "tests/worker/job_directory.h"
#include "worker/inputs.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const fs::path kProgram = fs::path(KPRUNE_BIN_DIR) / "torchscript_classifier";

struct Finished {
  int status = -1;
  std::string output, errors;
};

Finished RunCommand(const std::vector<std::string>& command, const fs::path& log) {
  testing::Process process(command, log, {{"OMP_NUM_THREADS", "1"}});
  const int status = process.Wait().value_or(-1);
  return {status, process.Output(), process.Errors()};
}

// Lines of numbers.
at::Tensor ToTensor(const std::string& text) {
  std::vector<at::Tensor> rows;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::vector<double> row;
    for (double number; words >> number;) row.push_back(number);
    rows.push_back(at::tensor(row, at::kFloat));
  }
  return at::stack(rows);
}

class TorchScriptProgramTest : public ::testing::Test {
 protected:
  // The program's logits for the samples are those of the engine with the checkpoint in `folder`.
  void ExpectSameLogits(const fs::path& folder, const std::vector<Sample>& samples) {
    absl::StatusOr<ModelInputs> model = OpenModel(folder, {});
    ASSERT_TRUE(model.ok()) << model.status();
    const absl::StatusOr<Encoder> encoder = LoadEncoder(model->folder, at::kCPU);
    ASSERT_TRUE(encoder.ok()) << encoder.status();
    std::string lines;
    for (const Sample& sample : samples) {
      for (const auto id : sample.input_ids) lines += std::to_string(id) + " ";
      lines += "\n";
    }
    testing::WriteFile(folder_ / "tokens.txt", lines);
    const Finished told = RunCommand({kProgram, folder, folder_ / "tokens.txt"}, folder_ / "log");
    ASSERT_EQ(told.status, 0) << told.errors;
    const at::Tensor found_NC = ToTensor(told.output), expected_NC = RunSamples(*encoder, samples);
    ASSERT_EQ(found_NC.sizes(), expected_NC.sizes());
    const double bound = 1e-4 * std::max(1.0, expected_NC.abs().max().item<double>());
    EXPECT_LE((found_NC - expected_NC).abs().max().item<double>(), bound);
    EXPECT_GT(expected_NC.std(0).max().item<double>(), 10 * bound) << "all texts have the same logits";
  }

  std::string Refusal(const std::vector<std::string>& arguments, int status = 1) {
    std::vector<std::string> command = {kProgram};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Finished refused = RunCommand(command, folder_ / "log");
    EXPECT_EQ(refused.status, status) << refused.errors;
    EXPECT_EQ(refused.output, "");
    return refused.errors;
  }

  const testing::TemporaryFolder folder_;
};

// More than a batch of them, of every length up to 12.
std::vector<Sample> SomeSamples() {
  std::vector<Sample> samples;
  for (int n = 0; n < 40; ++n) {
    Sample& sample = samples.emplace_back();
    for (int i = 0; i <= n % 12; ++i) sample.input_ids.push_back((i * 37 + n * 11 + 1) % 40);
    sample.token_type_ids.assign(sample.input_ids.size(), 0);
  }
  return samples;
}

TEST_F(TorchScriptProgramTest, Examples) {
  for (const char* family : {"bert", "distilbert"}) {
    SCOPED_TRACE(family);
    const JobDirectory job({.family = family, .task = "text-classification", .labels = 3});
    const absl::Status status = job.Run("prune", {{"options", {{"keep_flops", 0.4}}}});
    ASSERT_TRUE(status.ok()) << status;
    ExpectSameLogits(job / "result", SomeSamples());
  }
}

// The same model that ConsumerTest gives to transformers; ONNX Runtime runs it, too.
TEST_F(TorchScriptProgramTest, ARealClassifier) {
  const fs::path shared = KPRUNE_SHARED_DIR, model = shared / "models/sst2",
                 data = shared / "data/sst2/samples-256.jsonl";
  if (!fs::exists(model / "model.safetensors") || !fs::exists(data))
    GTEST_SKIP() << "there is no " << model << " or no " << data;
  const JobDirectory job({});
  const absl::Status status = job.Run("prune", {{"model", model},
                                                {"data", {data}},
                                                {"options",
                                                 {{"method", "kprune"},
                                                  {"keep_flops", 0.5},
                                                  {"samples", 48},
                                                  {"threads", 2},
                                                  {"export", {"safetensors", "torchscript", "onnx"}},
                                                  {"require_verified", "onnxruntime"}}}});
  ASSERT_TRUE(status.ok()) << status;
  const nlohmann::json onnx = job.Result(kReportFile)["verification"]["formats"].back();
  EXPECT_EQ(onnx["format"], "onnx");
  EXPECT_THAT(onnx["by"].get<std::string>(), HasSubstr("ONNX Runtime "));
  EXPECT_LE(onnx["max_difference"], 1e-4);
  const absl::StatusOr<ModelInputs> pruned = OpenModel(job / "result", {});
  ASSERT_TRUE(pruned.ok()) << pruned.status();
  const absl::StatusOr<SampleSet> texts = ReadModelSamples(*pruned, {data}, {});
  ASSERT_TRUE(texts.ok()) << texts.status();
  ExpectSameLogits(job / "result", {texts->samples.begin(), texts->samples.begin() + 64});
}

TEST_F(TorchScriptProgramTest, LinksNothingButLibTorch) {
  EXPECT_STREQ(KPRUNE_TORCHSCRIPT_CLASSIFIER_LINKS, "LibTorch::LibTorch");
  const fs::path readelf = "/usr/bin/readelf";
  if (!fs::exists(readelf)) GTEST_SKIP() << "there is no " << readelf << "; install the package binutils";
  const Finished elf = RunCommand({readelf, "--dynamic", "--wide", kProgram}, folder_ / "log");
  ASSERT_EQ(elf.status, 0) << elf.errors;
  // LibTorch with its OpenMP, and what every C++ program needs; of a build with sanitizers those, too.
  const std::regex needed(R"(\(NEEDED\)[^\[]*\[([^\]]+)\])"),
      accepted(
          "(libtorch|libc10|libgomp|libstdc\\+\\+|libm\\.|libc\\.|libgcc_s|ld-linux|libpthread|libasan|"
          "libubsan).*");
  std::vector<std::string> others;
  int torch = 0;
  for (std::sregex_iterator match(elf.output.begin(), elf.output.end(), needed), end; match != end; ++match) {
    const std::string library = (*match)[1];
    torch += library.starts_with("libtorch") || library.starts_with("libc10");
    if (!std::regex_match(library, accepted)) others.push_back(library);
  }
  EXPECT_THAT(others, IsEmpty());
  EXPECT_GE(torch, 2) << elf.output;
}

TEST_F(TorchScriptProgramTest, SaysWhatIsWrong) {
  testing::WriteFile(folder_ / "words.txt", "101 102\n101 hello 102\n");
  EXPECT_THAT(Refusal({folder_.path(), folder_ / "words.txt"}), HasSubstr("line 2 is no list of token ids"));
  testing::WriteFile(folder_ / "tokens.txt", "101 102\n");
  EXPECT_THAT(Refusal({folder_ / "none", folder_ / "tokens.txt"}), HasSubstr("there is no"));
  EXPECT_THAT(Refusal({folder_.path(), folder_ / "no.txt"}), HasSubstr("cannot read"));
  EXPECT_THAT(Refusal({}, 3), HasSubstr("usage: torchscript_classifier RESULT [FILE]"));
  const JobDirectory job({.sentence_encoder = true}, 12);
  ASSERT_TRUE(job.Run("prune").ok());
  testing::WriteFile(folder_ / "tokens.txt", "1 2\n");
  EXPECT_THAT(Refusal({job / "result", folder_ / "tokens.txt"}), HasSubstr("it is no classifier"));
}

}  // namespace
}  // namespace kprune
