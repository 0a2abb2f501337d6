// Bad input over the real stack: one actionable sentence that names what is wrong, with its status, and never
// a dead service.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/e2e/job_events.h"
#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

// A job that should be refused. `prepare` changes good input (folder/model and folder/samples.jsonl).
struct BadJob {
  std::string name;
  std::string status;                 // canonical code
  std::vector<std::string> mentions;  // what the sentence must name
  TinyModel model = {};
  std::string keep_flops = "0.5";
  std::function<void(const std::filesystem::path& folder)> prepare = [](const std::filesystem::path&) {};
  std::string data = "samples.jsonl";
  bool by_client = false;  // refused before anything is sent
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
           },
       .by_client = true},
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

// The status of the one CreateJob that the server answered; of the job itself where it was taken on and
// failed at the start; "" where the client refused before it called.
std::string StatusAtServer(Service& service) {
  const std::string series = "kprune_rpc_seconds_count{";
  std::istringstream lines(service.Metrics());
  for (std::string line; std::getline(lines, line);) {
    std::smatch code;
    if (!line.starts_with(series) || line.find("JobService/CreateJob\"") == std::string::npos) continue;
    if (line.ends_with(" 0")) continue;  // there from the start
    if (!std::regex_search(line, code, std::regex("code=\"([A-Z_]+)\""))) return line;
    if (code[1].str() != "OK") return code[1].str();
    return json::parse(service.Client({"get", "@latest", "-o", "json"}).output)["error"]["code"];
  }
  return "";
}

// `sentence` is the last line, it is one line, and names what it should.
void ExpectOneSentence(const std::string& errors, const BadJob& bad) {
  const size_t begin = errors.rfind("kprune: ");
  ASSERT_NE(begin, std::string::npos) << errors;
  const std::string sentence = errors.substr(begin);
  EXPECT_EQ(sentence.find('\n'), sentence.size() - 1) << sentence;
  EXPECT_GT(sentence.size(), 30) << sentence;
  for (const std::string& mention : bad.mentions) EXPECT_THAT(sentence, HasSubstr(mention));
}

TEST_P(RefusalTest, IsOneSentenceWithItsStatus) {
  const BadJob& bad = GetParam();
  TemporaryFolder folder;
  WriteTinyModel(folder / "model", bad.model);
  WriteTinySentences(folder / "samples.jsonl", 40, bad.model);
  bad.prepare(folder.path());
  Service service(KPRUNE_BIN_DIR, folder.path());
  service.Start();

  std::vector<std::string> command = {
      "submit",       folder / "model", "--data",       folder / bad.data, "--keep-flops",
      bad.keep_flops, "--output",       folder / "out", "--progress",      "json"};
  const Finished refused = service.Client(command);
  EXPECT_EQ(refused.status, 1) << service.Log();
  ExpectOneSentence(refused.errors, bad);
  EXPECT_THAT(refused.errors, Not(HasSubstr((folder / "data").string())))
      << "the server's own paths are its own business";
  if (bad.by_client) {
    EXPECT_EQ(StatusAtServer(service), "");
  } else {  // the server counts a call just after it has answered
    EXPECT_TRUE(Eventually([&] { return !StatusAtServer(service).empty(); }));
    EXPECT_EQ(StatusAtServer(service), bad.status) << refused.errors;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "out")) << "nothing is left behind";

  command[0] = "run";  // the same, without a server
  const Finished local = service.Client(command);
  EXPECT_EQ(local.status, 1);
  ExpectOneSentence(local.errors, bad);
  const std::vector<json> events = EventsIn(local.errors);
  if (!events.empty()) {
    EXPECT_EQ(events.back()["state_changed"]["error"]["code"], bad.status);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "out")) << "nothing is left behind";

  EXPECT_EQ(service.Client({"server-info"}).status, 0) << "the service is alive and well: " << service.Log();
}

// Keeps a failing row's name readable.
void PrintTo(const BadJob& bad, std::ostream* out) { *out << bad.name; }

INSTANTIATE_TEST_SUITE_P(BadInput, RefusalTest, ::testing::ValuesIn(BadJobs()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace kprune::testing
