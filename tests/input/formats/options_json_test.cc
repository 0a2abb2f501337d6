#include "engine/formats/options_json.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/latency_table.h"

namespace kprune {
namespace {

using Json = nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(OptionsJson, Examples) {
  const absl::StatusOr<Options> options = ParseOptions(
      Json::parse(R"({"keep_flops": 0.3, "samples": 256, "scoring": "paper-code", "normalize": true})"));
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->keep_flops, std::vector{0.3});
  EXPECT_EQ(options->samples, 256);
  EXPECT_EQ(options->normalize, true);
  EXPECT_EQ(options->effective_mu(), 64);  // the default of paper-code
  EXPECT_EQ(options->temperature, 2.0);    // not given
  EXPECT_EQ(ParseOptions(Json::parse(R"({"keep_flop": 0.3})")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(OptionsJson, WhatIsWrittenIsReadBack) {
  Options options;
  options.keep_flops = {0.1234567890123456789, 0.05};
  options.seed = 4294967295u;
  options.device = "cuda:12";
  options.mu = 3.5;
  options.normalize = false;
  options.lambda_rep = 1e-300;
  options.method = "kprune";
  options.auto_lambda_rep = true;
  options.precision = "bf16";
  options.columns = {"label=", "text=Body, as = sent"};
  options.memory_limit_bytes = (int64_t{1} << 60) + 1;  // more digits than a double has
  const Json json = ToJson(options);
  const absl::StatusOr<Options> read = ParseOptions(Json::parse(json.dump()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), json);
  EXPECT_EQ(read->keep_flops, options.keep_flops);
  EXPECT_EQ(read->seed, options.seed);
  EXPECT_EQ(read->precision, "bf16");
  EXPECT_EQ(read->columns, options.columns);
  EXPECT_TRUE(read->auto_lambda_rep);
  EXPECT_FALSE(read->auto_mu);
  EXPECT_EQ(read->memory_limit_bytes, options.memory_limit_bytes);
}

TEST(OptionsJson, ALatencyBudgetIsOneBudgetOfMethodRefit) {
  Options options;
  options.target_latency_ms = 4.5;
  options.latency_table = testing::EvenLatencyTable(2, 4, 8);
  const Json json = ToJson(options);
  EXPECT_FALSE(json.contains("keep_flops"));
  const absl::StatusOr<Options> read = ParseOptions(Json::parse(json.dump()));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(ToJson(*read), json);
  EXPECT_EQ(read->latency_table->rows[1].tokens, 20);
  for (const auto& [change, part] : std::vector<std::pair<std::string, std::string>>{
           {R"({"target_latency_ms": 0})", "target_latency_ms is 0, accepted is a number above 0"},
           {R"({"target_latency_ms": null})", "latency_table is given without target_latency_ms"},
           {R"({"keep_flops": 0.5})", "target_latency_ms is given beside keep_flops"},
           {R"({"max_drop": 1})", "max_drop is given beside target_latency_ms"},
           {R"({"method": "kprune"})", "target_latency_ms is given with method \"kprune\""}}) {
    Json changed = json;
    changed.merge_patch(Json::parse(change));
    const absl::Status status = ParseOptions(changed).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << change;
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
}

TEST(OptionsJson, UnsetOptionsAreLeftOutAndAllOthersAreWritten) {
  const Json json = ToJson(Options());
  EXPECT_FALSE(json.contains("mu"));
  EXPECT_FALSE(json.contains("normalize"));
  EXPECT_FALSE(json.contains("max_drop"));
  EXPECT_EQ(json["keep_flops"], Json::array({0.5}));
  EXPECT_EQ(json["export"], Json::array({"onnx", "safetensors", "torchscript"}));
  EXPECT_EQ(json.size(), 34u);
}

TEST(OptionsJson, ExportsAreAListOrOneName) {
  const absl::StatusOr<Options> one = ParseOptions(Json::parse(R"({"export": "dense"})"));
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_TRUE(one->has_export("dense"));
  EXPECT_FALSE(one->has_export("onnx"));
  const absl::StatusOr<Options> several = ParseOptions(Json::parse(R"({"export": ["triton", "onnx"]})"));
  ASSERT_TRUE(several.ok()) << several.status();
  EXPECT_TRUE(several->has_export("triton") && several->has_export("onnx"));
  EXPECT_TRUE(Options().has_export("torchscript"));
  EXPECT_FALSE(Options().has_export("dense"));
}

TEST(OptionsJson, NumbersMayBeWrittenAsProtocolBuffersWriteThem) {
  const absl::StatusOr<Options> options = ParseOptions(Json::parse(
      R"({"samples": "12", "max_length": 64.0, "seed": "4294967295", "keep_flops": "0.25", "mu": null, "batch_size": 1e2})"));
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->samples, 12);
  EXPECT_EQ(options->max_length, 64);
  EXPECT_EQ(options->seed, 4294967295u);
  EXPECT_EQ(options->keep_flops, std::vector{0.25});
  EXPECT_EQ(options->batch_size, 100);
  EXPECT_FALSE(options->mu.has_value());
  // 64 bits are written as text, and may come as a number.
  for (const char* four : {R"({"memory_limit_bytes": "4294967296"})", R"({"memory_limit_bytes": 4294967296})",
                           R"({"memory_limit_bytes": 4294967296.0})"}) {
    const absl::StatusOr<Options> limited = ParseOptions(Json::parse(four));
    ASSERT_TRUE(limited.ok()) << limited.status();
    EXPECT_EQ(limited->memory_limit_bytes, int64_t{4} << 30);
  }
}

TEST(OptionsJson, BudgetsAreAListWhoseOrderDoesNotMatter) {
  for (const char* text : {R"({"keep_flops": [0.3, 0.7, 0.5]})", R"({"keep_flops": ["0.7", 0.5, 0.3]})"}) {
    const absl::StatusOr<Options> options = ParseOptions(Json::parse(text));
    ASSERT_TRUE(options.ok()) << options.status();
    EXPECT_EQ(options->keep_flops, (std::vector{0.7, 0.5, 0.3}));
    EXPECT_EQ(options->largest_keep(), 0.7);
    EXPECT_TRUE(options->has_several_models());
  }
  const absl::StatusOr<Options> none = ParseOptions(Json::parse(R"({"keep_flops": []})"));
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->budgets(), std::vector{0.5});
  EXPECT_FALSE(none->has_several_models());
}

TEST(OptionsJson, AMaximalDropStandsInPlaceOfABudget) {
  const absl::StatusOr<Options> options = ParseOptions(Json::parse(R"({"max_drop": 1.5})"));
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->max_drop, 1.5);
  EXPECT_TRUE(options->has_several_models());
  const Json json = ToJson(*options);
  EXPECT_FALSE(json.contains("keep_flops"));
  ASSERT_TRUE(ParseOptions(json).ok());
  EXPECT_EQ(ToJson(*ParseOptions(json)), json);
}

struct Bad {
  const char* json;
  const char* found;
  const char* accepted;
};

class BadOptions : public ::testing::TestWithParam<Bad> {};

TEST_P(BadOptions, AreRefusedWithFieldFoundAndAccepted) {
  const absl::Status status = ParseOptions(Json::parse(GetParam().json)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << GetParam().json;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(GetParam().found), HasSubstr(GetParam().accepted)));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadOptions,
    ::testing::Values(
        Bad{"[]", "options is an array", "an object"},
        Bad{R"({"keepFlops": 0.5})", "unknown field \"keepFlops\"", "accepted are method, keep_flops"},
        Bad{R"({"method": "magic"})", "options.method is \"magic\"", "one of \"refit\", \"kprune\""},
        Bad{R"({"method": 1})", "options.method is 1", "a string"},
        Bad{R"({"method": "auto"})", "options.method is \"auto\"", "one of \"refit\", \"kprune\""},
        Bad{R"({"keep_flops": 0})", "options.keep_flops is 0", "above 0 and below 1"},
        Bad{R"({"keep_flops": 1})", "options.keep_flops is 1", "above 0 and below 1"},
        Bad{R"({"keep_flops": -0.5})", "options.keep_flops is -0.5", "above 0 and below 1"},
        Bad{R"({"keep_flops": "NaN"})", "options.keep_flops is \"NaN\"", "a finite number"},
        Bad{R"({"keep_flops": "half"})", "options.keep_flops is \"half\"", "a finite number"},
        Bad{R"({"keep_flops": true})", "options.keep_flops is true", "a finite number"},
        Bad{R"({"keep_flops": [0.5, 1.5]})", "options.keep_flops is 1.5", "above 0 and below 1"},
        Bad{R"({"keep_flops": [0.5, null]})", "options.keep_flops is an array", "or a list of such"},
        Bad{R"({"keep_flops": [[0.5]]})", "options.keep_flops is an array", "a finite number"},
        Bad{R"({"keep_flops": {"a": 0.5}})", "options.keep_flops is an object", "a finite number"},
        Bad{R"({"keep_flops": [0.5, 0.3, 0.5]})", "options.keep_flops is 0.5 twice", "each budget once"},
        Bad{R"({"keep_flops": [0.3333333333331, 0.3333333333332]})", "options.keep_flops is 0.333333 twice",
            "the first 12 decimals count"},
        Bad{R"({"keep_flops": [0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09,0.1,0.11,0.12,0.13,0.14,0.15,0.16,0.17]})",
            "a list of 17", "at most 16"},
        Bad{R"({"max_drop": 0})", "options.max_drop is 0", "above 0 and below 100"},
        Bad{R"({"max_drop": 100})", "options.max_drop is 100", "above 0 and below 100"},
        Bad{R"({"max_drop": "little"})", "options.max_drop is \"little\"", "a finite number"},
        Bad{R"({"max_drop": 1, "keep_flops": 0.5})", "options.max_drop is given beside keep_flops",
            "one of the two"},
        Bad{R"({"max_drop": 1, "method": "kprune"})", "options.max_drop is given with method \"kprune\"",
            "method \"refit\""},
        Bad{R"({"target_latency_ms": 5})", "options.target_latency_ms is given without latency_table",
            "both"},
        Bad{R"({"latency_table": {"heads": [0]}})", "options.latency_table is an object",
            "a table that kprune calibrate wrote (latency_table.threads is missing)"},
        Bad{R"({"latency_table": [1]})", "options.latency_table is an array",
            "a table that kprune calibrate wrote"},
        Bad{R"({"task": "translation"})", "options.task is \"translation\"",
            "\"auto\", \"text-classification\""},
        Bad{R"({"samples": -1})", "options.samples is -1", "0 (all) or a positive number"},
        Bad{R"({"samples": 1.5})", "options.samples is 1.5", "a whole number from -2147483648 to 2147483647"},
        Bad{R"({"samples": 2147483648})", "options.samples is 2147483648", "a whole number"},
        Bad{R"({"samples": "many"})", "options.samples is \"many\"", "a whole number"},
        Bad{R"({"max_length": -1})", "options.max_length is -1", "0 (the model's limit)"},
        Bad{R"({"seed": -1})", "options.seed is -1", "a whole number from 0 to 4294967295"},
        Bad{R"({"seed": 4294967296})", "options.seed is 4294967296", "a whole number from 0 to 4294967295"},
        Bad{R"({"device": "gpu"})", "options.device is \"gpu\"", "\"auto\", \"cpu\" or \"cuda:N\""},
        Bad{R"({"device": "cuda:"})", "options.device is \"cuda:\"", "cuda:N"},
        Bad{R"({"device": "cuda:01"})", "options.device", "cuda:N"},
        Bad{R"({"device": "cuda:-1"})", "options.device", "cuda:N"},
        Bad{R"({"precision": "fp8"})", "options.precision is \"fp8\"", "one of \"auto\", \"fp32\", \"bf16\""},
        Bad{R"({"predictive": "hessian"})", "options.predictive is \"hessian\"",
            "\"fisher\", \"kl-gradient\""},
        Bad{R"({"scoring": "paper"})", "options.scoring is \"paper\"", "\"exact\", \"paper-code\""},
        Bad{R"({"lambda_pred": -1})", "options.lambda_pred is -1", "0 or a positive number"},
        Bad{R"({"lambda_rep": "Infinity"})", "options.lambda_rep is \"Infinity\"", "a finite number"},
        Bad{R"({"lambda_pred": 0, "lambda_rep": 0})", "options.lambda_pred is 0",
            "at least one of them above 0"},
        Bad{R"({"method": "kprune", "measure_every": 0})", "options.measure_every is 0", "from 1 to 64"},
        Bad{R"({"method": "kprune", "measure_every": 65})", "options.measure_every is 65", "from 1 to 64"},
        Bad{R"({"measure_every": 2})", "options.measure_every is 2", "1, or method \"kprune\""},
        Bad{R"({"mu": 0})", "options.mu is 0", "a number above 0"},
        Bad{R"({"temperature": 0})", "options.temperature is 0", "a number from 0.001"},
        Bad{R"({"sequence_length": 1e300})", "options.sequence_length is 1e+300", "at most 1000000"},
        Bad{R"({"sequence_length": 0.5})", "options.sequence_length is 0.5", "at least 1"},
        Bad{R"({"batch_size": 0})", "options.batch_size is 0", "from 1 to 65536"},
        Bad{R"({"batch_order": "random"})", "options.batch_order is \"random\"", "\"length\", \"file\""},
        Bad{R"({"threads": -1})", "options.threads is -1", "0 (the available processors)"},
        Bad{R"({"holdout": 1})", "options.holdout is 1", "from 0 to below 1"},
        Bad{R"({"pooling": "median"})", "options.pooling is \"median\"", "\"auto\", \"mean\", \"cls\""},
        Bad{R"({"memory_limit_bytes": 536870911})", "options.memory_limit_bytes is 536870911",
            "0 (no limit) or at least 536870912 (512 MiB)"},
        Bad{R"({"memory_limit_bytes": -1})", "options.memory_limit_bytes is -1", "0 (no limit)"},
        Bad{R"({"memory_limit_bytes": "4GiB"})", "options.memory_limit_bytes is \"4GiB\"", "a whole number"},
        Bad{R"({"memory_limit_bytes": 9223372036854775808})",
            "options.memory_limit_bytes is 9223372036854775808", "to 9223372036854775807"},
        Bad{R"({"variants": -1})", "options.variants is -1", "from 0 to 16"},
        Bad{R"({"variants": 17})", "options.variants is 17", "from 0 to 16"},
        Bad{R"({"token_weighting": 1.5})", "options.token_weighting is 1.5", "from 0 to 1"},
        Bad{R"({"damping": 0})", "options.damping is 0", "from 1e-9"},
        Bad{R"({"ridge": -0.1})", "options.ridge is -0.1", "0 or a number"},
        Bad{R"({"distill": -1})", "options.distill is -1", "0 (none)"},
        Bad{R"({"method": "kprune", "distill": 5})", "options.distill is 5", "0 with method"},
        Bad{R"({"auto_lambda_rep": true})", "options.auto_lambda_rep is true", "false, or method \"kprune\""},
        Bad{R"({"auto_mu": true})", "options.auto_mu is true", "false, or method \"kprune\""},
        Bad{R"({"columns": "review"})", "options.columns is \"review\"",
            "\"ROLE=NAME\" with one of the roles text,"},
        Bad{R"({"columns": ["body=text"]})", "options.columns is \"body=text\"", "answers, choices"},
        Bad{R"({"columns": ["text=a", "text=b"]})", "options.columns is \"text\" twice", "each role once"},
        Bad{R"({"export": "pickle"})", "options.export is \"pickle\"", "\"torchscript\""},
        Bad{R"({"export": ["onnx", "onnx"]})", "options.export is \"onnx\" twice", "each format once"},
        Bad{R"({"export": ["triton"]})", "\"triton\" without \"onnx\"", "both"},
        Bad{R"({"export": [3]})", "options.export is an array", "a string, or a list of such"},
        Bad{R"({"round": "heads:0"})", "options.round is \"heads:0\"", "\"heads:2,neurons:16\""},
        Bad{R"({"require_verified": "me"})", "options.require_verified is \"me\"", "\"onnxruntime\""},
        Bad{R"({"require_verified": "onnxruntime", "export": "dense"})", "without an export \"onnx\"",
            "\"any\""},
        Bad{R"({"auto_mu": "auto"})", "options.auto_mu is \"auto\"", "true or false"},
        Bad{R"({"lambda_rep": "auto"})", "options.lambda_rep is \"auto\"", "a finite number"},
        Bad{R"({"method": "kprune", "auto_lambda_rep": true, "lambda_pred": 0})", "options.lambda_pred is 0",
            "above 0 with auto_lambda_rep"},
        Bad{R"({"input_ridge": -1})", "options.input_ridge is -1", "not refitted"},
        Bad{R"({"memory_limit_bytes": 1e19})", "options.memory_limit_bytes is 1", "to 9223372036854775807"},
        Bad{R"({"normalize": "yes"})", "options.normalize is \"yes\"", "true or false"}));

}  // namespace
}  // namespace kprune
