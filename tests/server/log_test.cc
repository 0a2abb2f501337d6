#include "server/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

namespace kprune {
namespace {

using nlohmann::json;
using ::testing::EndsWith;
using ::testing::MatchesRegex;

class LogTest : public ::testing::Test {
 protected:
  void TearDown() override { SetLogFormat("text"); }

  static std::string Written(const std::function<void()>& act) {
    ::testing::internal::CaptureStderr();
    act();
    return ::testing::internal::GetCapturedStderr();
  }
};

TEST_F(LogTest, Examples) {
  const auto act = [] { LogInfo("job-created", {{"job", "7f"}, {"why", "said \"now\""}}); };
  EXPECT_THAT(Written(act), MatchesRegex("time=20[-0-9]*T[:.0-9]*Z level=info event=job-created job=\"7f\" "
                                         "why=\"said .\"now.\"\"\n"));
  SetLogFormat("json");
  const std::string line = Written(act);
  EXPECT_THAT(line,
              MatchesRegex("\\{\"time\":\"20[-0-9]*T[:.0-9]*Z\",\"level\":\"info\",\"event\":\"job-created\","
                           "\"job\":\"7f\",\"why\":\"said .\"now.\"\"}\n"));
  EXPECT_EQ(json::parse(line)["why"], "said \"now\"");
}

TEST_F(LogTest, WhateverAValueHoldsALineIsOneLineAndValidJson) {
  std::string anything;
  for (int byte = 0; byte < 256; ++byte) anything += static_cast<char>(byte);
  SetLogFormat("json");
  const std::string line = Written([&] { LogError("odd", {{"value", anything}, {"name", "Zoë\u2028"}}); });
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const json parsed = json::parse(line);
  EXPECT_EQ(parsed["name"], "Zoë\u2028");
  EXPECT_EQ(parsed["level"], "error");
  EXPECT_EQ(parsed["value"].get<std::string>().substr(0, 128), anything.substr(0, 128));
  SetLogFormat("text");
  const std::string text = Written([&] { LogError("odd", {{"value", anything}}); });
  EXPECT_EQ(text.find('\n'), text.size() - 1);
}

TEST_F(LogTest, WhyAProgramEndsIsASentenceForPeopleAndAnEventForCollectors) {
  const auto act = [] { LogFailure("kprune-server", "cannot listen on \"x\""); };
  EXPECT_EQ(Written(act), "kprune-server: cannot listen on \"x\"\n");
  SetLogFormat("json");
  const json line = json::parse(Written(act));
  EXPECT_EQ(line["event"], "failed");
  EXPECT_EQ(line["level"], "error");
  EXPECT_EQ(line["reason"], "cannot listen on \"x\"");
}

TEST_F(LogTest, AScopesFieldsAreInEveryLineOfItsThread) {
  const std::string written = Written([] {
    const LogScope call({{"request_id", "r1"}, {"trace_id", ""}});
    {
      const LogScope attempt({{"job", "7f"}, {"request_id", "inner"}});
      LogInfo("a", {{"job", "said"}});
      LogInfo("b");
    }
    LogWarning("c");
    std::thread([] { LogInfo("d"); }).join();
  });
  std::istringstream lines(written);
  for (const std::string end :
       {"event=a job=\"said\" request_id=\"inner\"", "event=b job=\"7f\" request_id=\"inner\"",
        "event=c request_id=\"r1\"", "event=d"}) {
    std::string line;
    std::getline(lines, line);
    EXPECT_THAT(line, EndsWith(end));
  }
}

}  // namespace
}  // namespace kprune
