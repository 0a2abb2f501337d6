// A job that was interrupted, wherever, ends with the bytes of one that was not: the real worker on a real
// server. The long form interrupts after every sublayer.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/faults/length.h"
#include "tests/faults/processes.h"
#include "tests/support/service.h"
#include "tests/support/tiny_model.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A sublayer takes long enough that what strikes after one strikes before the next.
const TinyModel kModel = {.task = "text-classification", .hidden = 64, .layers = 4, .neurons = 256};
constexpr int kSublayers = 8;
constexpr int kTries = 5;

// The files of a result that carry times, and what is in them.
const std::vector<std::string> kTimed = {"provenance.json", "report.html", "report.json"};

void RemoveTimes(json& value) {
  if (!value.is_structured()) return;
  if (value.is_object()) {
    for (const char* key : {"seconds", "latency", "peak_memory_bytes", "resumed_sublayers", "report.html"}) {
      value.erase(key);
    }
  }
  for (json& inner : value) RemoveTimes(inner);
}

// What may not depend on an interruption: every file by its name, and the report without its times.
std::map<std::string, std::string> LastingPartsOf(const fs::path& result) {
  std::map<std::string, std::string> parts;
  for (const auto& entry : fs::recursive_directory_iterator(result)) {
    if (entry.is_regular_file()) parts[fs::relative(entry.path(), result)] = ReadFile(entry.path());
  }
  json report = json::parse(parts["report.json"]);
  RemoveTimes(report);
  for (const std::string& name : kTimed) EXPECT_EQ(parts.erase(name), 1) << name;
  parts["report.json without times"] = report.dump(2);
  return parts;
}

class ResumedResultTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(fs::path(KPRUNE_BIN_DIR) / "kprune-worker")) GTEST_SKIP() << "this build has no engine";
    WriteTinyModel(folder_ / "model", kModel);
    WriteTinySentences(folder_ / "samples.jsonl", 200, kModel);
    service_.Start();
  }

  std::string Submit(const std::string& method) {
    const Finished submitted =
        service_.Client({"submit", folder_ / "model", "--data", folder_ / "samples.jsonl", "--keep-flops",
                         "0.5", "--method", method, "--no-wait"});
    EXPECT_EQ(submitted.status, 0) << submitted.errors << service_.Log();
    return submitted.output.substr(0, submitted.output.find('\n'));
  }

  // The folder of its result, once it has ended well.
  fs::path AwaitResult(const std::string& job) {
    const fs::path result = folder_ / ("result-" + std::to_string(++results_));
    const Finished watched = service_.Client({"watch", job, "--progress", "none"});
    EXPECT_EQ(watched.status, 0) << watched.errors << service_.Log();
    const Finished fetched = service_.Client({"fetch", job, "--output", result});
    EXPECT_EQ(fetched.status, 0) << fetched.errors;
    return result;
  }

  // Strikes as soon as `sublayers` of the job are in its checkpoint; tells how many the next attempt took
  // from there. On a busy machine a strike may come when all is done: then it is repeated, a few times.
  int ExpectSameAfter(const std::string& method, int sublayers, const std::function<void()>& strike,
                      const std::map<std::string, std::string>& uninterrupted) {
    for (int tries = 1;; ++tries) {
      const std::string job = Submit(method);
      const int taken = StrikeOnce(job, sublayers, strike, uninterrupted);
      const bool late = taken == kSublayers || Attempts(job) == 1;
      if (!late || tries == kTries) return taken;
    }
  }

  int Attempts(const std::string& job) {
    const Finished got = service_.Client({"get", job, "-o", "json"});
    EXPECT_EQ(got.status, 0) << got.errors;
    return json::parse(got.output)["attempt"].get<int>();
  }

  int StrikeOnce(const std::string& job, int sublayers, const std::function<void()>& strike,
                 const std::map<std::string, std::string>& uninterrupted) {
    char last[32];
    std::snprintf(last, sizeof last, "sublayer-%04d", sublayers - 1);
    const fs::path written = folder_ / "data" / job / "attempt-1" / "scratch" / "checkpoint" / last;
    EXPECT_TRUE(Eventually([&] { return fs::exists(written); })) << written << service_.Log();
    strike();
    const fs::path result = AwaitResult(job);
    const std::map<std::string, std::string> resumed = LastingPartsOf(result);
    EXPECT_EQ(resumed.size(), uninterrupted.size());
    for (const auto& [name, bytes] : uninterrupted) {
      const auto part = resumed.find(name);
      EXPECT_TRUE(part != resumed.end() && part->second == bytes) << name << " differs";
    }
    return json::parse(ReadFile(result / "report.json"))["plan"]["resumed_sublayers"].get<int>();
  }

  // By each kind of interruption, after sublayers that lie `stride` apart.
  void ExpectSameWherever(const std::string& method, int stride) {
    const std::map<std::string, std::string> uninterrupted = LastingPartsOf(AwaitResult(Submit(method)));
    const std::vector<std::pair<const char*, std::function<void()>>> kinds = {
        {"the worker is killed",
         [&] {
           for (const pid_t worker : WorkersBelow(folder_.path())) kill(worker, SIGKILL);
         }},
        {"the server is killed",
         [&] {
           service_.Crash();
           service_.Start();
         }},
        {"the server is drained", [&] {
           EXPECT_EQ(service_.Drain(), 0) << service_.Log();
           service_.Start();
         }}};
    int first = 1;
    for (const auto& [what, strike] : kinds) {
      for (int sublayers = first; sublayers < kSublayers; sublayers += stride) {
        SCOPED_TRACE(::testing::Message() << method << ": " << what << " after sublayer " << sublayers);
        const int taken = ExpectSameAfter(method, sublayers, strike, uninterrupted);
        EXPECT_GE(taken, sublayers) << "nothing that was finished is computed again";
        EXPECT_LT(taken, kSublayers) << "it was interrupted before its end";
        std::printf("%s: %s after sublayer %d of %d, went on from %d\n", method.c_str(), what, sublayers,
                    kSublayers, taken);
      }
      first = stride == 1 ? 1 : first + 2;
    }
  }

  TemporaryFolder folder_;
  Service service_{KPRUNE_BIN_DIR, folder_.path()};
  int results_ = 0;
};

TEST_F(ResumedResultTest, IsThatOfAnUninterruptedJobByteForByte) {
  ExpectSameWherever("refit", ShortOrLong(kSublayers, 1));
  if (ShortOrLong(false, true)) ExpectSameWherever("kprune", 1);
}

}  // namespace
}  // namespace kprune::testing
