#include "worker/progress_lines.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "engine/pruning/phase_progress.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/worker/job_directory.h"
#include "tests/worker/proto_fields.h"

namespace kprune {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

std::set<std::string> KeysOf(const json& object) {
  std::set<std::string> keys;
  for (const auto& [key, value] : object.items()) keys.insert(key);
  return keys;
}

class ProgressLinesTest : public ::testing::Test {
 protected:
  // Everything written so far, one JSON object a line.
  std::vector<json> Lines() {
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(pipe_.ends[0], buffer, sizeof(buffer))) > 0;)
      text.append(buffer, static_cast<size_t>(n));
    EXPECT_TRUE(text.empty() || text.back() == '\n');
    std::vector<json> lines;
    for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
      lines.push_back(json::parse(text.substr(begin, end - begin)));
    return lines;
  }

  struct Pipe {
    Pipe() { EXPECT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0); }
    ~Pipe() {
      close(ends[0]);
      close(ends[1]);
    }
    int ends[2] = {-1, -1};
  } pipe_;
  std::atomic<bool> stop_ = false;
  ProgressLines progress_{pipe_.ends[1], stop_};
};

TEST_F(ProgressLinesTest, Examples) {
  progress_.OnStage(Stage::kMeasure, 0.25);
  progress_.OnWarning("few samples");
  const std::vector<json> lines = Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["stage"], json({{"stage", "MEASURE"}, {"fraction", 0.25}}));
  EXPECT_EQ(lines[1]["warning"], json({{"message", "few samples"}}));
}

TEST_F(ProgressLinesTest, HasTheFieldsOfTheContract) {
  progress_.OnStage(Stage::kTune, 0.5);
  progress_.OnSublayer({.keep_flops = 0.7,
                        .index = 3,
                        .total = 12,
                        .layer = 1,
                        .kind = SublayerKind::kFeedForward,
                        .units = 64,
                        .kept = 20,
                        .budget_left_flops = 1e9,
                        .measure_seconds = 1,
                        .search_seconds = 2,
                        .tune_seconds = 3,
                        .solver = "ridge",
                        .condition = 1e5,
                        .reconstruction_error = 0.5});
  progress_.OnWarning("w");
  const std::vector<json> lines = Lines();
  ASSERT_EQ(lines.size(), 3u);
  const std::set<std::string> event_fields = DeclaredIn("message Event {");
  ASSERT_EQ(event_fields.size(), 6u);
  for (const json& line : lines) {
    EXPECT_EQ(line.size(), 2u);
    for (const std::string& key : KeysOf(line)) EXPECT_TRUE(event_fields.contains(key)) << key;
  }
  EXPECT_EQ(KeysOf(lines[0]["stage"]), DeclaredIn("message StageProgress {"));
  EXPECT_EQ(KeysOf(lines[1]["sublayer"]), DeclaredIn("message SublayerPruned {"));
  EXPECT_EQ(KeysOf(lines[1]["sublayer"]["seconds"]), DeclaredIn("message Seconds {"));
  EXPECT_EQ(KeysOf(lines[2]["warning"]), DeclaredIn("message Warning {"));
  EXPECT_EQ(lines[1]["sublayer"]["kind"], "FEED_FORWARD");
  EXPECT_EQ(lines[1]["sublayer"]["seconds"], json({{"measure", 1.0}, {"search", 2.0}, {"tune", 3.0}}));
  EXPECT_TRUE(DeclaredIn("enum Kind {").contains("FEED_FORWARD"));
  EXPECT_TRUE(DeclaredIn("enum Kind {").contains("ATTENTION"));
}

TEST_F(ProgressLinesTest, TheOnlyModelOfAJobHasNoShareInItsSublayers) {
  progress_.OnSublayer({.index = 3, .total = 12});
  EXPECT_FALSE(Lines()[0]["sublayer"].contains("keep_flops"));
}

TEST_F(ProgressLinesTest, EveryStageHasItsNameInTheContract) {
  const std::set<std::string> stages = DeclaredIn("enum Stage {");
  std::set<std::string> written;
  for (Stage stage :
       {Stage::kLoad, Stage::kMeasure, Stage::kSearch, Stage::kTune, Stage::kVerify, Stage::kExport})
    progress_.OnStage(stage, 0.5);
  for (const json& line : Lines()) written.insert(line["stage"]["stage"]);
  written.insert("STAGE_UNSPECIFIED");
  EXPECT_EQ(written, stages);
}

TEST_F(ProgressLinesTest, TimesAreTimestampsOfNow) {
  const absl::Time before = absl::Now();
  progress_.OnWarning("now");
  absl::Time time;
  std::string error;
  const std::string text = Lines()[0]["time"];
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << text << error;
  EXPECT_GE(time, before - absl::Seconds(1));
  EXPECT_LE(time, absl::Now() + absl::Seconds(1));
  EXPECT_EQ(text.back(), 'Z');
}

TEST_F(ProgressLinesTest, ManyFractionsOfOneStageAreFewLines) {
  for (int i = 0; i < 100'000; ++i) progress_.OnStage(Stage::kMeasure, i * 1e-5);
  progress_.OnStage(Stage::kSearch, 0.999995);  // another stage is written at once
  const std::vector<json> lines = Lines();
  ASSERT_GE(lines.size(), 2u);
  EXPECT_LT(lines.size(), 1000u);  // one per 200 ms, whatever the machine
  EXPECT_EQ(lines.front()["stage"]["fraction"], 0.0);
  EXPECT_EQ(lines.back()["stage"], json({{"stage", "SEARCH"}, {"fraction", 0.999995}}));
}

TEST_F(ProgressLinesTest, TheEndIsWrittenHoweverSoonItComes) {
  progress_.OnStage(Stage::kExport, 0.97);
  progress_.OnStage(Stage::kExport, 0.98);
  progress_.OnStage(Stage::kExport, 1);
  EXPECT_EQ(Lines().back()["stage"], json({{"stage", "EXPORT"}, {"fraction", 1.0}}));
}

TEST_F(ProgressLinesTest, TheFractionNeverFalls) {
  progress_.OnStage(Stage::kMeasure, 0.5);
  progress_.OnStage(Stage::kSearch, 0.25);
  EXPECT_EQ(Lines().back()["stage"]["fraction"], 0.5);
}

TEST_F(ProgressLinesTest, IsCancelledByTheStopFlagAndByALostReader) {
  EXPECT_FALSE(progress_.cancelled());
  stop_ = true;
  EXPECT_TRUE(progress_.cancelled());
  stop_ = false;
  signal(SIGPIPE, SIG_IGN);
  close(pipe_.ends[0]);
  pipe_.ends[0] = -1;
  EXPECT_FALSE(progress_.cancelled());
  progress_.OnWarning("nobody reads this");
  EXPECT_TRUE(progress_.cancelled());
}

TEST(PhaseProgressTest, MapsItsFractionsIntoTheJob) {
  RecordingObserver job(1);
  PhaseProgress phase(job, 0.2, 0.6);
  phase.OnStage(Stage::kLoad, 0);
  phase.OnStage(Stage::kTune, 0.5);
  phase.OnStage(Stage::kTune, 1);
  phase.OnWarning("w");
  phase.OnSublayer({.index = 2});
  EXPECT_THAT(job.fractions, ElementsAre(0.2, 0.4, 0.6));
  EXPECT_THAT(job.warnings, ElementsAre("w"));
  EXPECT_EQ(job.sublayers.at(0).index, 2);
  EXPECT_FALSE(phase.cancelled());
  EXPECT_TRUE(phase.cancelled());
}

TEST(ProgressLinesWithoutDescriptorTest, WriteNothingAndGoOn) {
  const std::atomic<bool> stop = false;
  ProgressLines progress(-1, stop);
  progress.OnStage(Stage::kLoad, 0.5);
  progress.OnWarning("w");
  EXPECT_FALSE(progress.cancelled());
}

}  // namespace
}  // namespace kprune
