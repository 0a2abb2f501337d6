#include "client/progress_display.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "client/json_text.h"

namespace kprune::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The story of a job with two sublayers, ten seconds long.
std::vector<kprune::v1::Event> Story() {
  const char* lines[] = {
      R"({"sequence":1,"time":"2026-01-01T00:00:00Z","state_changed":{"state":"RUNNING","attempt":1}})",
      R"({"sequence":2,"time":"2026-01-01T00:00:01Z","stage":{"stage":"LOAD","fraction":0.1}})",
      R"({"sequence":3,"time":"2026-01-01T00:00:04Z","stage":{"stage":"MEASURE","fraction":0.25}})",
      R"({"sequence":4,"time":"2026-01-01T00:00:05Z","sublayer":{"index":0,"total":2,"layer":0,"kind":"ATTENTION",
          "units":12,"kept":7,"seconds":{"measure":1,"search":0.5,"tune":0.75},"solver":"cholesky",
          "reconstruction_error":0.031}})",
      R"({"sequence":5,"time":"2026-01-01T00:00:06Z","warning":{"message":"3 lines are longer than 512 tokens"}})",
      R"({"sequence":6,"time":"2026-01-01T00:00:10Z","state_changed":{"state":"SUCCEEDED","attempt":1}})"};
  std::vector<kprune::v1::Event> events;
  for (const char* line : lines) EXPECT_TRUE(FromJson(line, events.emplace_back()).ok()) << line;
  return events;
}

std::string Show(ProgressMode mode, const Screen& screen, size_t count = 6) {
  std::ostringstream stream;
  const auto display = MakeProgressDisplay(mode, screen, stream);
  const auto story = Story();
  for (size_t i = 0; i < count; ++i) display->OnEvent(story[i]);
  display->Close();
  return stream.str();
}

TEST(ProgressDisplayTest, Examples) {
  EXPECT_EQ(Show(ProgressMode::kPlain, Screen()),
            "  0 %  running\n"
            " 10 %  load\n"
            " 25 %  measure\n"
            " 25 %  [1/2] layer 0 attention: kept 7 of 12 heads, 2.25 s, cholesky, error 0.031\n"
            " 25 %  warning: 3 lines are longer than 512 tokens\n"
            "100 %  succeeded after 10.0 s\n");
}

TEST(ProgressDisplayTest, OfSeveralModelsEverySublayerSaysWhoseItIs) {
  kprune::v1::Event event;
  ASSERT_TRUE(FromJson(R"({"time":"2026-01-01T00:00:05Z","sublayer":{"index":0,"total":12,"layer":0,
      "kind":"ATTENTION","units":12,"kept":7,"keep_flops":0.7}})",
                       event)
                  .ok());
  for (const ProgressMode mode : {ProgressMode::kPlain, ProgressMode::kBar}) {
    std::ostringstream stream;
    MakeProgressDisplay(mode, Screen(), stream)->OnEvent(event);
    EXPECT_THAT(stream.str(), HasSubstr("keep 0.7 [ 1/12] layer 0 attention: kept 7 of 12 heads"));
  }
}

TEST(ProgressDisplayTest, TheBarShowsShareStageSublayerTimeAndRemainder) {
  const std::string text =
      Show(ProgressMode::kBar, {.is_terminal = true, .columns = 200, .colour = false}, 4);
  EXPECT_THAT(text,
              HasSubstr("[####............]  25.0 % measure  1/2  5.00 s  ETA 15.0 s  kept 7/12 units"));
  EXPECT_THAT(
      text,
      HasSubstr("\r\033[K[1/2] layer 0 attention: kept 7 of 12 heads, 2.25 s, cholesky, error 0.031\n"));
  EXPECT_EQ(text.back(), '\n') << "closing ends the redrawn line";
}

TEST(ProgressDisplayTest, TheBarNeverWraps) {
  const std::string text = Show(ProgressMode::kBar, {.is_terminal = true, .columns = 40, .colour = false}, 4);
  const std::string last = text.substr(text.rfind("\033[K") + 3);
  EXPECT_EQ(last.size(), 39u + 1) << last;
}

TEST(ProgressDisplayTest, AFinishedBarLeavesOneClosingLine) {
  const std::string text = Show(ProgressMode::kBar, {.is_terminal = true, .columns = 80, .colour = false});
  EXPECT_THAT(text, HasSubstr("\r\033[Ksucceeded after 10.0 s\n"));
  EXPECT_THAT(text, ::testing::EndsWith("succeeded after 10.0 s\n"));
}

TEST(ProgressDisplayTest, ColourOnlyWhereTheScreenHasIt) {
  EXPECT_THAT(Show(ProgressMode::kBar, {.is_terminal = true, .columns = 80, .colour = true}),
              HasSubstr("\033[32msucceeded after 10.0 s\033[0m"));
  EXPECT_THAT(Show(ProgressMode::kBar, {.is_terminal = true, .columns = 80, .colour = false}),
              Not(HasSubstr("\033[3")));
}

TEST(ProgressDisplayTest, JsonIsOneEventALineWithOriginalNames) {
  std::istringstream lines(Show(ProgressMode::kJson, Screen()));
  std::string line;
  for (const auto& event : Story()) {
    ASSERT_TRUE(std::getline(lines, line));
    kprune::v1::Event read;
    ASSERT_TRUE(FromJson(line, read).ok()) << line;
    EXPECT_EQ(read.SerializeAsString(), event.SerializeAsString());
    if (event.has_sublayer()) {
      EXPECT_THAT(line, HasSubstr(R"("reconstruction_error":0.031)"));
      EXPECT_THAT(line, HasSubstr(R"("index":0)")) << "zero values are not left out";
    }
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST(ProgressDisplayTest, JsonLeavesNotesOutAndPlainShowsThem) {
  std::ostringstream json;
  MakeProgressDisplay(ProgressMode::kJson, Screen(), json)->OnNote("the connection is lost");
  EXPECT_EQ(json.str(), "");
  std::ostringstream plain;
  MakeProgressDisplay(ProgressMode::kPlain, Screen(), plain)->OnNote("the connection is lost");
  EXPECT_EQ(plain.str(), "  0 %  the connection is lost\n");
}

TEST(ProgressDisplayTest, AutoIsABarOnATerminalOnly) {
  EXPECT_EQ(Resolve(ProgressMode::kAuto, {.is_terminal = true}), ProgressMode::kBar);
  EXPECT_EQ(Resolve(ProgressMode::kAuto, {.is_terminal = false}), ProgressMode::kPlain);
  EXPECT_EQ(Resolve(ProgressMode::kJson, {.is_terminal = true}), ProgressMode::kJson);
  EXPECT_EQ(Show(ProgressMode::kNone, Screen()), "");
}

TEST(ProgressDisplayTest, ANewAttemptBeginsAgain) {
  std::ostringstream stream;
  const auto display = MakeProgressDisplay(ProgressMode::kPlain, Screen(), stream);
  for (const auto& event : Story()) display->OnEvent(event);
  kprune::v1::Event again;
  ASSERT_TRUE(
      FromJson(R"({"time":"2026-01-01T00:01:00Z","state_changed":{"state":"RUNNING","attempt":2}})", again)
          .ok());
  display->OnEvent(again);
  EXPECT_THAT(stream.str(), ::testing::EndsWith("  0 %  running (attempt 2)\n"));
}

TEST(ProgressDisplayTest, ABarCountsTheUnitsOfAnEarlierAttemptThatItsNextOneGoesOnFrom) {
  std::ostringstream stream;
  const auto display = MakeProgressDisplay(ProgressMode::kBar, {.is_terminal = true, .columns = 200}, stream);
  for (const char* line : {R"({"state_changed":{"state":"RUNNING","attempt":1}})",
                           R"({"sublayer":{"index":0,"total":4,"units":12,"kept":6}})",
                           R"({"sublayer":{"index":1,"total":4,"units":100,"kept":50}})",
                           R"({"state_changed":{"state":"RUNNING","attempt":2}})",
                           R"({"sublayer":{"index":2,"total":4,"units":12,"kept":3}})"}) {
    kprune::v1::Event event;
    ASSERT_TRUE(FromJson(line, event).ok());
    display->OnEvent(event);
  }
  EXPECT_THAT(stream.str(), ::testing::EndsWith("kept 59/124 units"));
}

TEST(ProgressDisplayTest, TheRemainingTimeOfAResumedRunCountsFromWhereItWentOn) {
  std::ostringstream stream;
  const auto display = MakeProgressDisplay(ProgressMode::kBar, {.is_terminal = true, .columns = 200}, stream);
  for (const char* line :
       {R"({"time":"2026-01-01T00:00:00Z","state_changed":{"state":"RUNNING","attempt":1}})",
        R"({"time":"2026-01-01T00:00:01Z","sublayer":{"index":0,"total":2,"units":12,"kept":6}})",
        R"({"time":"2026-01-01T00:00:02Z","stage":{"stage":"MEASURE","fraction":0.5}})",
        R"({"time":"2026-01-01T00:00:04Z","stage":{"stage":"MEASURE","fraction":0.6}})"}) {
    kprune::v1::Event event;
    ASSERT_TRUE(FromJson(line, event).ok());
    display->OnEvent(event);
  }
  EXPECT_THAT(stream.str(), HasSubstr("60.0 % measure  1/2  4.00 s  ETA 8.00 s"));
}

TEST(ProgressDisplayTest, AFailureNamesItsReason) {
  std::ostringstream stream;
  const auto display = MakeProgressDisplay(ProgressMode::kPlain, Screen(), stream);
  kprune::v1::Event failed;
  ASSERT_TRUE(FromJson(R"({"time":"2026-01-01T00:01:00Z","state_changed":{"state":"FAILED",
                           "error":{"code":"INVALID_ARGUMENT","message":"tensor x has NaN"}}})",
                       failed)
                  .ok());
  display->OnEvent(failed);
  EXPECT_THAT(stream.str(), StartsWith("  0 %  failed: INVALID_ARGUMENT: tensor x has NaN"));
}

}  // namespace
}  // namespace kprune::client
