#include "server/jobs/progress_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kprune/out_of_memory_warning.h"
#include "nlohmann/json.hpp"

namespace kprune {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(ProgressLineTest, Examples) {
  auto stage = ParseProgressLine(R"({"stage": {"stage": "MEASURE", "fraction": 0.5}})");
  ASSERT_TRUE(stage.ok()) << stage.status();
  EXPECT_EQ(stage->stage, Stage::kMeasure);
  EXPECT_EQ(stage->fraction, 0.5);

  auto sublayer = ParseProgressLine(
      R"({"time": "2026-01-01T00:00:00Z", "sublayer": {"keep_flops": 0.7, "index": 1, "kind": "ATTENTION", "solver": "ridge", "seconds": {"measure": 1, "tune": 0.5}}})");
  ASSERT_TRUE(sublayer.ok()) << sublayer.status();
  ASSERT_TRUE(sublayer->sublayer.has_value());
  EXPECT_EQ(sublayer->sublayer->kind, SublayerKind::kAttention);
  EXPECT_EQ(sublayer->sublayer->solver, "ridge");
  EXPECT_EQ(sublayer->sublayer->seconds(), 1.5);
  EXPECT_EQ(json::parse(sublayer->payload_json)["sublayer"]["index"], 1);
  EXPECT_EQ(json::parse(sublayer->payload_json)["sublayer"]["keep_flops"], 0.7);
  EXPECT_FALSE(json::parse(sublayer->payload_json).contains("time")) << "the server's clock counts";

  auto warning = ParseProgressLine(R"({"warning": {"message": "careful"}})");
  ASSERT_TRUE(warning.ok());
  EXPECT_EQ(warning->payload_json, R"({"warning":{"message":"careful"}})");
  EXPECT_FALSE(warning->is_out_of_memory);
  const json halved = {{"warning", {{"message", OutOfMemoryWarning("sublayer 3", 8192, 4096)}}}};
  EXPECT_TRUE(ParseProgressLine(halved.dump())->is_out_of_memory);
}

TEST(ProgressLineTest, WhatIsNoEventIsRefusedWithTheReason) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "no JSON object"},
      {"nonsense", "no JSON object"},
      {"[]", "no JSON object"},
      {"{}", "neither"},
      {R"({"state_changed": {"state": "SUCCEEDED"}})", "must not send state_changed"},
      {R"({"sequence": 7, "warning": {}})", "must not send sequence"},
      {R"({"stage": {}, "warning": {}})", "both"},
      {R"({"stage": 1})", "stage is no object"},
      {R"({"stage": {"stage": "SLEEP"}})", "field stage"},
      {R"({"stage": {"fraction": "much"}})", "field fraction"},
      {R"({"stage": {"fraction": 1.5}})", "field fraction"},
      {R"({"stage": {"fraction": -0.5}})", "field fraction"},
      {R"({"stage": {"fraction": 1e999}})", "no JSON object"},
      {R"({"sublayer": {"index": -1}})", "field index"},
      {R"({"sublayer": {"kept": 99999999999}})", "field kept"},
      {R"({"sublayer": {"units": 18446744073709551615}})", "field units"},
      {R"({"sublayer": {"units": 1.5}})", "field units"},
      {R"({"sublayer": {"keep_flops": "half"}})", "field keep_flops"},
      {R"({"sublayer": {"kind": "ELSE"}})", "field kind"},
      {R"({"sublayer": {"seconds": {"tune": true}}})", "field tune"},
      {R"({"sublayer": {"seconds": {"tune": -1}}})", "field tune"},
      {R"({"sublayer": {"seconds": {"measure": 1e308}}})", "field measure"},
      {R"({"warning": {"message": 5}})", "field message"},
  };
  for (const auto& [line, reason] : cases) {
    auto parsed = ParseProgressLine(line);
    ASSERT_FALSE(parsed.ok()) << line;
    EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(reason)) << line;
  }
}

TEST(ProgressLineTest, UnknownFieldsAreLeftOutAndLongTextsCut) {
  auto line = ParseProgressLine(R"({"stage": {"stage": "TUNE", "secret": {"deep": [1]}}})");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->payload_json, R"({"stage":{"stage":"TUNE"}})");
  // Cut in the middle of a character: still valid JSON and UTF-8.
  std::string text = "x";
  for (int i = 0; i < 5000; ++i) text += "ü";
  auto warning = ParseProgressLine(json{{"warning", {{"message", text}}}}.dump());
  ASSERT_TRUE(warning.ok());
  EXPECT_LT(warning->payload_json.size(), 4200u);
  EXPECT_FALSE(json::parse(warning->payload_json, nullptr, false).is_discarded());
}

TEST(ProgressLineTest, WholeNumbersWhereADoubleBelongsAreThoseOfADouble) {
  // proto3 JSON has no double 2^53 + 1: the event could not be read.
  auto line = ParseProgressLine(R"({"sublayer": {"budget_left_flops": 9007199254740993}})");
  ASSERT_TRUE(line.ok());
  EXPECT_EQ(line->payload_json, R"({"sublayer":{"budget_left_flops":9.007199254740992e+15}})");
}

}  // namespace
}  // namespace kprune
