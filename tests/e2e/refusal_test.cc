// Bad input over the real stack: one actionable sentence that names what is wrong, with its status, and never
// a dead service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

using ::testing::HasSubstr;

// A job that should be refused. `prepare` changes good input (folder/model and folder/samples.jsonl).
struct BadJob {
  std::string name;
  std::string status;                 // canonical code
  std::vector<std::string> mentions;  // what the sentence must name
  TinyModel model = {};
  std::string keep_flops = "0.5";
  std::function<void(const std::filesystem::path& folder)> prepare = [](const std::filesystem::path&) {};
  std::string data = "samples.jsonl";
};

std::vector<BadJob> BadJobs() {
  const std::string nan_tensor = "encoder.layer.1.output.dense.weight";
  return {
      {.name = "NanInWeights",
       .status = "INVALID_ARGUMENT",
       .mentions = {nan_tensor},
       .model = {.poisoned_tensor = nan_tensor}},
      {.name = "MissingTensor",
       .status = "INVALID_ARGUMENT",
       .mentions = {"encoder.layer.0.attention.self.key.weight"},
       .model = {.missing_tensor = "encoder.layer.0.attention.self.key.weight"}},
      {.name = "UnknownFamily",
       .status = "INVALID_ARGUMENT",
       .mentions = {"mamba", "bert"},
       .model = {.family = "mamba"}},
      {.name = "BudgetAboveOne",
       .status = "INVALID_ARGUMENT",
       .mentions = {"keep_flops", "1.5"},
       .keep_flops = "1.5"},
      {.name = "BudgetOfNothing",
       .status = "INVALID_ARGUMENT",
       .mentions = {"keep_flops", "0"},
       .keep_flops = "0"},
      {.name = "UnreachableBudget",
       .status = "FAILED_PRECONDITION",
       .mentions = {"keep_flops"},
       .keep_flops = "0.0001"},
      {.name = "PickleOnly",
       .status = "INVALID_ARGUMENT",
       .mentions = {"safetensors", "pytorch_model.bin"},
       .prepare =
           [](const auto& folder) {
             std::filesystem::rename(folder / "model/model.safetensors", folder / "model/pytorch_model.bin");
           }},
      {.name = "TruncatedWeights",
       .status = "INVALID_ARGUMENT",
       .mentions = {"model.safetensors"},
       .prepare =
           [](const auto& folder) {
             const auto file = folder / "model/model.safetensors";
             std::filesystem::resize_file(file, std::filesystem::file_size(file) - 4);
           }},
      {.name = "TokenIdOutsideTheVocabulary",
       .status = "INVALID_ARGUMENT",
       .mentions = {"98"},
       .prepare =
           [](const auto& folder) {
             WriteTokenIds(folder / "ids.safetensors", {{2, 40, 41, 3}, {2, 98, 41, 3}});
           },
       .data = "ids.safetensors"},
      {.name = "SequenceOverThePositionTable",
       .status = "INVALID_ARGUMENT",
       .mentions = {"65", "64"},
       .prepare =
           [](const auto& folder) {
             WriteTokenIds(folder / "ids.safetensors", {std::vector<int32_t>(65, 40)});
           },
       .data = "ids.safetensors"},
      {.name = "EmptyData",
       .status = "INVALID_ARGUMENT",
       .mentions = {"samples.jsonl"},
       .prepare = [](const auto& folder) { WriteFile(folder / "samples.jsonl", "\n\n"); }},
      {.name = "BlankText",
       .status = "INVALID_ARGUMENT",
       .mentions = {"samples.jsonl", "2"},
       .prepare =
           [](const auto& folder) {
             WriteFile(folder / "samples.jsonl", "{\"text\": \"the river\"}\n{\"text\": \"  \"}\n");
           }},
      {.name = "BrokenLine",
       .status = "INVALID_ARGUMENT",
       .mentions = {"samples.jsonl", "2"},
       .prepare =
           [](const auto& folder) {
             WriteFile(folder / "samples.jsonl", "{\"text\": \"the river\"}\n{\"text\": \n");
           }},
  };
}

class RefusalTest : public ::testing::TestWithParam<BadJob> {};

TEST_P(RefusalTest, IsOneSentenceWithItsStatus) {
  const BadJob& bad = GetParam();
  TemporaryFolder folder;
  WriteTinyModel(folder / "model", bad.model);
  WriteTinySentences(folder / "samples.jsonl", 40, bad.model);
  bad.prepare(folder.path());
  Service service(KPRUNE_BIN_DIR, folder.path());
  service.Start();

  const Finished refused = service.Client({"submit", folder / "model", "--data", folder / bad.data,
                                           "--keep-flops", bad.keep_flops, "--output", folder / "out"});
  EXPECT_EQ(refused.status, 1) << refused.errors;
  EXPECT_THAT(refused.errors, HasSubstr(bad.status));
  for (const std::string& mention : bad.mentions) EXPECT_THAT(refused.errors, HasSubstr(mention));
  const size_t begin = std::min(refused.errors.find(bad.status), refused.errors.size());
  EXPECT_EQ(
      std::count(refused.errors.begin() + static_cast<std::ptrdiff_t>(begin), refused.errors.end(), '\n'), 1)
      << "one line, and the last: " << refused.errors;
  EXPECT_FALSE(std::filesystem::exists(folder / "out")) << "nothing is left behind";

  // The same, without a server.
  const Finished local = service.Client({"run", folder / "model", "--data", folder / bad.data, "--keep-flops",
                                         bad.keep_flops, "--output", folder / "out"});
  EXPECT_EQ(local.status, 1) << local.errors;
  EXPECT_THAT(local.errors, HasSubstr(bad.status));
  for (const std::string& mention : bad.mentions) EXPECT_THAT(local.errors, HasSubstr(mention));

  // The service is alive and well.
  EXPECT_EQ(service.Client({"server-info"}).status, 0) << service.Log();
}

INSTANTIATE_TEST_SUITE_P(BadInput, RefusalTest, ::testing::ValuesIn(BadJobs()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace kprune::testing
