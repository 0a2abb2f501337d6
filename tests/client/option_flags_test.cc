#include "client/option_flags.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>
#include <string>

#include "client/json_text.h"
#include "tests/client/scratch_folder.h"

namespace kprune::client {
namespace {

kprune::v1::Options Parse(const std::string& line, OptionScope scope = OptionScope::kPruning) {
  kprune::v1::Options options;
  CLI::App app;
  AddOptionFlags(scope, app, options);
  app.parse(line);
  return options;
}

TEST(OptionFlagsTest, Examples) {
  const auto options = Parse("--keep-flops 0.25 --scoring paper-code --seed 7 --normalize");
  EXPECT_EQ(ToJson(options, JsonStyle::kSetFields),
            R"({"keep_flops":[0.25],"seed":7,"scoring":"paper-code","normalize":true})");
}

TEST(OptionFlagsTest, EveryFieldHasOneFlagAndEveryFlagAField) {
  std::set<std::string> fields;
  for (const OptionFlag& flag : OptionFlags()) {
    EXPECT_TRUE(fields.insert(flag.field).second) << flag.field << " is set by two flags";
    std::string expected = "--" + flag.field;
    std::replace(expected.begin() + 2, expected.end(), '_', '-');
    for (const std::string unit : {"-bytes", "-ms"}) {  // the value names its unit
      if (expected.ends_with(unit)) expected.resize(expected.size() - unit.size());
    }
    EXPECT_EQ(flag.flag, expected);
    EXPECT_FALSE(flag.default_text.empty()) << flag.flag;
    if (flag.auto_field.empty()) continue;
    EXPECT_TRUE(fields.insert(flag.auto_field).second) << flag.auto_field << " is set by two flags";
    EXPECT_EQ(flag.auto_field, "auto_" + flag.field);
  }
  const auto* descriptor = kprune::v1::Options::descriptor();
  ASSERT_EQ(static_cast<int>(fields.size()), descriptor->field_count());
  for (int i = 0; i < descriptor->field_count(); ++i)
    EXPECT_EQ(fields.count(descriptor->field(i)->name()), 1u);
}

TEST(OptionFlagsTest, WhatIsNotGivenStaysUnset) {
  const auto options = Parse("--mu 64");
  EXPECT_TRUE(options.has_mu());
  EXPECT_EQ(options.keep_flops_size(), 0);
  EXPECT_FALSE(options.has_normalize());
}

TEST(OptionFlagsTest, SomeNumbersMayBeLeftToTheRun) {
  const auto chosen = Parse("--lambda-rep auto --mu auto");
  EXPECT_TRUE(chosen.auto_lambda_rep() && chosen.auto_mu());
  EXPECT_FALSE(chosen.has_lambda_rep() || chosen.has_mu());
  const auto given = Parse("--lambda-rep 1e-2 --mu 8");
  EXPECT_FALSE(given.has_auto_lambda_rep() || given.has_auto_mu());
  EXPECT_EQ(given.lambda_rep(), 1e-2);
  EXPECT_EQ(given.mu(), 8);
  try {
    Parse("--mu many");
    FAIL() << "accepted";
  } catch (const CLI::ValidationError& error) {
    EXPECT_STREQ(error.what(), "--mu: many is not accepted; accepted are a number and auto");
  }
  EXPECT_THROW(Parse("--temperature auto"), CLI::ParseError);
}

TEST(OptionFlagsTest, NormalizeCanBeTurnedOff) {
  const auto options = Parse("--no-normalize");
  ASSERT_TRUE(options.has_normalize());
  EXPECT_FALSE(options.normalize());
}

TEST(OptionFlagsTest, ARefusalListsWhatIsAccepted) {
  try {
    Parse("--predictive magic");
    FAIL() << "accepted";
  } catch (const CLI::ValidationError& error) {
    EXPECT_STREQ(error.what(), "--predictive: magic is not accepted; accepted are fisher, kl-gradient");
  }
  EXPECT_THROW(Parse("--device gpu"), CLI::ValidationError);
  EXPECT_THROW(Parse("--seed -1"), CLI::ParseError);
  EXPECT_THROW(Parse("--batch-size many"), CLI::ParseError);
  EXPECT_EQ(Parse("--device cuda:1").device(), "cuda:1");
}

TEST(OptionFlagsTest, AMemoryLimitIsAQuantity) {
  EXPECT_EQ(Parse("--memory-limit 4GiB").memory_limit_bytes(), int64_t{4} << 30);
  EXPECT_EQ(Parse("--memory-limit 4294967296").memory_limit_bytes(), int64_t{4} << 30);
  EXPECT_EQ(Parse("--memory-limit 0").memory_limit_bytes(), 0);
  EXPECT_FALSE(Parse("").has_memory_limit_bytes());
  try {
    Parse("--memory-limit plenty");
    FAIL() << "accepted";
  } catch (const CLI::ValidationError& error) {
    EXPECT_STREQ(
        error.what(),
        "--memory-limit: plenty is no number of bytes; accepted are e.g. 4294967296, 512MiB, 1.5GiB and 4GB");
  }
}

TEST(OptionFlagsTest, ExportsAreAListOfKnownNames) {
  const auto options = Parse("--export onnx,dense");
  EXPECT_EQ(std::vector(options.export_().begin(), options.export_().end()),
            (std::vector<std::string>{"onnx", "dense"}));
  for (const char* bad : {"pickle", "onnx,", "onnx,pickle", "onnx;dense"})
    EXPECT_THROW(Parse(std::string("--export ") + bad), CLI::ParseError) << bad;
  EXPECT_THROW(Parse("--method refit,kprune"), CLI::ParseError);
}

TEST(OptionFlagsTest, ColumnsAreNamedByRole) {
  const auto options = Parse("--columns text=Review,label=");
  EXPECT_EQ(std::vector(options.columns().begin(), options.columns().end()),
            (std::vector<std::string>{"text=Review", "label="}));
  for (const char* bad : {"review", "body=text", "text=a,stars", "=a"})
    EXPECT_THROW(Parse(std::string("--columns ") + bad), CLI::ParseError) << bad;
}

TEST(OptionFlagsTest, RoundingIsAWordOrMultiples) {
  EXPECT_EQ(Parse("--round off").round(), "off");
  EXPECT_EQ(Parse("--round heads:2,neurons:32").round(), "heads:2,neurons:32");
  EXPECT_THROW(Parse("--round 16"), CLI::ParseError);
  EXPECT_THROW(Parse("--round heads:2,neurons:0"), CLI::ParseError);
}

TEST(OptionFlagsTest, ALatencyBudgetTakesATableFromAFile) {
  ScratchFolder folder;
  const std::string table = folder.Write(
      "t.json", R"({"runtime": "TorchScript", "batch_size": 8, "heads": [0, 4], "rows": [{"tokens": 25}]})");
  const auto options = Parse("--target-latency 2.5ms --latency-table " + table);
  EXPECT_EQ(options.target_latency_ms(), 2.5);
  EXPECT_EQ(options.latency_table().rows(0).tokens(), 25);
  EXPECT_EQ(options.latency_table().heads(1), 4);
  EXPECT_THROW(Parse("--target-latency 2.5ms"), CLI::RequiresError);
  EXPECT_THROW(Parse("--latency-table " + table), CLI::RequiresError);
  EXPECT_THROW(Parse("--keep-flops 0.5 --target-latency 5ms --latency-table " + table), CLI::ExcludesError);
  EXPECT_THROW(Parse("--max-drop 1 --target-latency 5ms --latency-table " + table), CLI::ExcludesError);
  for (const std::string& wrong :
       {folder.Write("text.json", "{}"), folder.Write("list.json", "[1]"), folder / "missing.json"}) {
    try {
      Parse("--target-latency 5ms --latency-table " + wrong);
      FAIL() << "accepted " << wrong;
    } catch (const CLI::ValidationError& error) {
      EXPECT_EQ(error.what(),
                "--latency-table: " + wrong + " holds no latency table; kprune calibrate writes one");
    }
  }
  EXPECT_THROW(Parse("--target-latency 5 --latency-table " + table), CLI::ValidationError);
}

TEST(OptionFlagsTest, BudgetsAreAListAndExcludeAMaximalDrop) {
  const auto options = Parse("--keep-flops 0.7,0.5,1e-1");
  EXPECT_EQ(std::vector(options.keep_flops().begin(), options.keep_flops().end()),
            (std::vector{0.7, 0.5, 0.1}));
  EXPECT_EQ(Parse("--max-drop 1.5").max_drop(), 1.5);
  for (const char* bad : {"half", "0.5,", ",", "0.5;0.3", "0.5 0.3"}) {
    EXPECT_THROW(Parse(std::string("--keep-flops ") + bad), CLI::ParseError) << bad;
  }
  try {
    Parse("--keep-flops 0.7,half");
    FAIL() << "accepted";
  } catch (const CLI::ValidationError& error) {
    EXPECT_STREQ(error.what(), "--keep-flops: \"half\" is no number");
  }
  EXPECT_THROW(Parse("--keep-flops 0.5 --max-drop 1"), CLI::ExcludesError);
}

TEST(OptionFlagsTest, EvaluationHasOnlyTheFlagsOfRunningAModel) {
  EXPECT_EQ(Parse("--max-length 64", OptionScope::kInference).max_length(), 64);
  EXPECT_THROW(Parse("--keep-flops 0.5", OptionScope::kInference), CLI::ParseError);
}

TEST(OptionFlagsTest, HelpShowsDefaultsAndAcceptedValues) {
  kprune::v1::Options options;
  CLI::App app;
  AddOptionFlags(OptionScope::kPruning, app, options);
  const std::string help = app.help();
  EXPECT_NE(help.find("(default: 0.5)"), std::string::npos);
  EXPECT_NE(help.find("fisher | kl-gradient (default: fisher)"), std::string::npos);
  EXPECT_NE(help.find("1, or 64 with --scoring paper-code"), std::string::npos);
}

}  // namespace
}  // namespace kprune::client
