// bench/bench.py: its smoke form from beginning to end, and how it ends when a child does not do its work.
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/support/process.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr char kScript[] = KPRUNE_SOURCE_DIR "/bench/bench.py";
const Process::Environment kNoBytecode = {{"PYTHONDONTWRITEBYTECODE", "1"}};

bool IsPositive(const json& value) {
  return value.is_number() && std::isfinite(value.get<double>()) && value.get<double>() > 0;
}

// Of one object of kprune-bench, or the part of it that a table keeps.
void ExpectTimesAndMemory(const json& row) {
  for (const char* field : {"prune_seconds", "measure_seconds", "peak_above_load_bytes", "vm_hwm_bytes"})
    EXPECT_TRUE(IsPositive(row[field])) << field << " is " << row[field];
}

void ExpectReference(const json& part) {
  if (part.contains("skipped")) {
    EXPECT_THAT(part["skipped"], ::testing::AnyOf(HasSubstr("--shared"), HasSubstr("--python")));
    return;
  }
  EXPECT_EQ(part["rows"].size(), 7u) << "the reference, and three methods in two precisions";
  for (const json& row : part["rows"]) {
    for (const char* field : {"seconds", "peak_bytes", "peak_above_load_bytes", "accuracy"})
      EXPECT_TRUE(IsPositive(row[field])) << field << " is " << row[field];
    EXPECT_EQ(row["original_accuracy"], part["rows"][0]["original_accuracy"]) << "it is the same model";
  }
  EXPECT_EQ(part["comparisons"].size(), 6u);
  for (const json& comparison : part["comparisons"]) {
    for (const char* field : {"times_faster", "times_less_memory", "times_less_memory_above_load"})
      EXPECT_TRUE(IsPositive(comparison[field])) << field << " is " << comparison[field];
    EXPECT_TRUE(std::isfinite(comparison["accuracy_difference_points"].get<double>()));
  }
}

void ExpectScaling(const json& part) {
  std::vector<std::string> axes;
  for (const json& axis : part["axes"]) {
    axes.push_back(axis["axis"]);
    EXPECT_TRUE(std::isfinite(axis["time_exponent"].get<double>()));
    EXPECT_TRUE(std::isfinite(axis["memory_exponent"].get<double>()));
    EXPECT_GE(axis["rows"].size(), 2u);
    for (const json& row : axis["rows"]) ExpectTimesAndMemory(row);
  }
  EXPECT_THAT(axes, UnorderedElementsAre("samples", "tokens", "layers", "hidden"));
}

TEST(BenchPyTest, Examples) {
  const TemporaryFolder folder;
  Process bench(
      {"/usr/bin/env", "python3", kScript, "--smoke", "--build", fs::path(KPRUNE_BIN_DIR).parent_path(),
       "--shared", KPRUNE_SHARED_DIR, "--out", folder / "bench.json"},
      folder / "bench", kNoBytecode);
  ASSERT_EQ(bench.Wait(2 * kPatience), 0) << bench.Errors();
  const json document = json::parse(ReadFile(folder / "bench.json"));
  EXPECT_EQ(document["schema_version"], 1);
  EXPECT_EQ(document["complete"], true);
  EXPECT_EQ(document["smoke"], true);
  for (const char* field : {"cores", "memory_bytes"})
    EXPECT_TRUE(IsPositive(document["machine"][field])) << field;
  EXPECT_TRUE(document["machine"]["torch"].is_string());
  EXPECT_TRUE(IsPositive(document["seconds"]));

  const json& parts = document["parts"];
  ExpectReference(parts["reference"]);
  std::vector<std::string> precisions;
  for (const json& row : parts["fraction"]["rows"]) {
    precisions.push_back(row["precision"]);
    ExpectTimesAndMemory(row);
    for (const char* field : {"fraction_of_limit", "gemm_rate_flops", "analytic_measure_flops"})
      EXPECT_TRUE(IsPositive(row[field])) << field << " is " << row[field];
  }
  EXPECT_THAT(precisions, UnorderedElementsAre("fp32", "bf16"));
  ExpectScaling(parts["scaling"]);
  ExpectTimesAndMemory(parts["memory"]);
  EXPECT_EQ(parts["memory"]["memory_limit_bytes"], int64_t{4} << 30);
  EXPECT_EQ(parts["memory"]["within_limit"], true);

  for (const char* heading : {"## Against the reference", "## Fraction of the limit", "## Scaling",
                              "## Under a memory limit", "(smoke: figures mean nothing)"})
    EXPECT_THAT(bench.Output(), HasSubstr(heading));
}

// Runs the fraction part with a shell script in the place of kprune-bench.
class BrokenChildTest : public ::testing::Test {
 protected:
  std::string ErrorsWith(const std::string& script) {
    fs::create_directories(folder_ / "bin");
    WriteFile(folder_ / "bin/kprune-bench", "#!/bin/sh\n" + script + "\n");
    fs::permissions(folder_ / "bin/kprune-bench", fs::perms::owner_all);
    Process bench({"/usr/bin/env", "python3", kScript, "--smoke", "--parts", "fraction", "--build",
                   folder_.path(), "--out", folder_ / "bench.json"},
                  folder_ / "bench", kNoBytecode);
    EXPECT_EQ(bench.Wait(), 1);
    EXPECT_EQ(bench.Output(), "") << "no table of figures that were not measured";
    EXPECT_FALSE(fs::exists(folder_ / "bench.json"));
    EXPECT_THAT(bench.Errors(), ::testing::Not(HasSubstr("Traceback")));
    return bench.Errors();
  }

  const TemporaryFolder folder_;
};

TEST_F(BrokenChildTest, IsNamedWithItsOwnLastWords) {
  EXPECT_THAT(ErrorsWith("echo 'kprune-bench: out of luck' >&2; exit 3"),
              HasSubstr("bench.py: kprune-bench failed with exit status 3: kprune-bench: out of luck\n"));
  EXPECT_THAT(ErrorsWith("kill -9 $$"),
              HasSubstr("bench.py: kprune-bench was ended by signal 9: it said nothing\n"));
}

TEST_F(BrokenChildTest, IsNotBelievedWhenItsOutputIsNotTheObject) {
  EXPECT_THAT(ErrorsWith("echo '{} {}'"), HasSubstr("kprune-bench printed something else than JSON"));
  EXPECT_THAT(ErrorsWith("echo '{\"threads\": NaN}'"), HasSubstr("NaN is not JSON"));
  EXPECT_THAT(ErrorsWith("echo '{\"threads\": 1, \"threads\": 2}'"), HasSubstr("an object has a key twice"));
  EXPECT_THAT(ErrorsWith("echo '[1]'"), HasSubstr("kprune-bench printed a JSON list instead of an object"));
  EXPECT_THAT(ErrorsWith("echo '{\"threads\": 0}'"),
              HasSubstr("kprune-bench: field threads is 0; expected is a number of at least 1"));
  EXPECT_THAT(ErrorsWith("echo '{\"threads\": 2}'"), HasSubstr("field samples is None"));
}

TEST_F(BrokenChildTest, OrAMissingOneIsOneSentence) {
  Process bench({"/usr/bin/env", "python3", kScript, "--build", "/nowhere"}, folder_ / "bench", kNoBytecode);
  EXPECT_EQ(bench.Wait(), 1);
  EXPECT_EQ(
      bench.Errors(),
      "bench.py: /nowhere/bin/kprune-bench is not there; build it, or name the build folder with --build\n");
}

TEST(PartsTest, FitsExponentsAndForecastsTimes) {
  const TemporaryFolder folder;
  Process checks({"/usr/bin/env", "python3", KPRUNE_SOURCE_DIR "/tests/bench/parts_checks.py"},
                 folder / "checks", kNoBytecode);
  EXPECT_EQ(checks.Wait(), 0) << checks.Errors();
  EXPECT_THAT(checks.Errors(), HasSubstr("OK")) << "unittest says so when it ran something";
}

}  // namespace
}  // namespace kprune::testing
