#include "worker/job_file.h"

#include <filesystem>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kprune/worker_protocol.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class JobFileTest : public ::testing::Test {
 protected:
  absl::StatusOr<WorkerJob> Read(const std::string& text) {
    testing::WriteFile(folder_ / kJobFile, text);
    return ReadJobFile(folder_.path());
  }

  const testing::TemporaryFolder folder_;
};

TEST_F(JobFileTest, Examples) {
  const absl::StatusOr<WorkerJob> job = Read(R"({
      "kind": "compare", "model": "model", "data": ["data/a.jsonl", "/elsewhere/b.jsonl"],
      "eval": ["eval/dev.jsonl"], "others": ["pruned"], "options": {"keep_flops": 0.25, "seed": 3}})");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->kind, "compare");
  EXPECT_EQ(job->directory, folder_.path());
  EXPECT_EQ(job->model, folder_ / "model");
  EXPECT_THAT(job->data, ElementsAre(folder_ / "data/a.jsonl", fs::path("/elsewhere/b.jsonl")));
  EXPECT_THAT(job->eval, ElementsAre(folder_ / "eval/dev.jsonl"));
  EXPECT_THAT(job->others, ElementsAre(folder_ / "pruned"));
  EXPECT_EQ(job->options.keep_flops, std::vector{0.25});
  EXPECT_EQ(job->options.seed, 3u);
}

TEST_F(JobFileTest, OnlyKindAndModelAreNeeded) {
  const absl::StatusOr<WorkerJob> job = Read(R"({"kind": "verify", "model": "/models/sst2"})");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->model, "/models/sst2");
  EXPECT_TRUE(job->data.empty() && job->eval.empty() && job->others.empty());
  EXPECT_EQ(job->options.keep_flops, Options().keep_flops);
  EXPECT_TRUE(job->name.empty() && job->public_key.empty() && job->signing_key.empty());
}

TEST_F(JobFileTest, AServerNamesTheJobAndAVerifierAKey) {
  const absl::StatusOr<WorkerJob> job = Read(
      R"({"kind": "verify", "model": "m", "name": "jobs/a1", "trace_parent": "00-1", "public_key": "keys/a.pem"})");
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->name, "jobs/a1");
  EXPECT_EQ(job->trace_parent, "00-1");
  EXPECT_EQ(job->public_key, folder_ / "keys/a.pem");
}

TEST_F(JobFileTest, PathsAreAbsoluteAlsoFromARelativeDirectory) {
  testing::WriteFile(folder_ / kJobFile, R"({"kind": "verify", "model": "m"})");
  const fs::path relative = fs::relative(folder_.path(), fs::current_path());
  ASSERT_TRUE(relative.is_relative());
  const absl::StatusOr<WorkerJob> job = ReadJobFile(relative);
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_TRUE(job->model.is_absolute());
  EXPECT_TRUE(fs::equivalent(job->directory, folder_.path()));
}

struct Refusal {
  const char* name;
  const char* text;
  std::vector<std::string> message;
};

void PrintTo(const Refusal& value, std::ostream* out) { *out << value.name; }

class JobFileRefusalTest : public JobFileTest, public ::testing::WithParamInterface<Refusal> {};

TEST_P(JobFileRefusalTest, NamesTheField) {
  const absl::StatusOr<WorkerJob> job = Read(GetParam().text);
  ASSERT_FALSE(job.ok());
  EXPECT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument);
  for (const std::string& part : GetParam().message)
    EXPECT_THAT(std::string(job.status().message()), HasSubstr(part));
}

INSTANTIATE_TEST_SUITE_P(
    Fields, JobFileRefusalTest,
    ::testing::Values(
        Refusal{"NotJson", "{", {"job.json"}}, Refusal{"NoObject", "[]", {"job.json", "not an object"}},
        Refusal{"KindTwice", R"({"kind": "a", "kind": "b", "model": "m"})", {"job.json", "kind"}},
        Refusal{"UnknownField", R"({"kind": "prune", "model": "m", "modle": 1})", {"unknown field", "modle"}},
        Refusal{"NoKind", R"({"model": "m"})", {"\"kind\" is missing"}},
        Refusal{"KindNoText", R"({"kind": 1, "model": "m"})", {"\"kind\""}},
        Refusal{"NoModel", R"({"kind": "prune"})", {"\"model\" is missing"}},
        Refusal{"EmptyModel", R"({"kind": "prune", "model": ""})", {"\"model\""}},
        Refusal{"DataNoList", R"({"kind": "prune", "model": "m", "data": "a.jsonl"})", {"\"data\"", "list"}},
        Refusal{"DataNoPath", R"({"kind": "prune", "model": "m", "data": [3]})", {"\"data\" holds 3"}},
        Refusal{"EvalEmptyPath", R"({"kind": "prune", "model": "m", "eval": [""]})", {"\"eval\" holds \"\""}},
        Refusal{"OthersNoPath", R"({"kind": "prune", "model": "m", "others": [null]})", {"\"others\""}},
        Refusal{"NameNoText", R"({"kind": "prune", "model": "m", "name": 7})", {"\"name\" is 7"}},
        Refusal{
            "EmptyKey", R"({"kind": "verify", "model": "m", "public_key": ""})", {"\"public_key\" is \"\""}},
        Refusal{"UnknownOption",
                R"({"kind": "prune", "model": "m", "options": {"keep_flop": 0.5}})",
                {"keep_flop"}},
        Refusal{"BudgetOverOne",
                R"({"kind": "prune", "model": "m", "options": {"keep_flops": 1.5}})",
                {"keep_flops", "1.5"}},
        Refusal{"BudgetZero",
                R"({"kind": "prune", "model": "m", "options": {"keep_flops": 0}})",
                {"keep_flops"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(JobFileTest, ADirectoryWithoutAJobIsNotFound) {
  const absl::Status status = ReadJobFile(folder_.path()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("job.json"));
}

}  // namespace
}  // namespace kprune
