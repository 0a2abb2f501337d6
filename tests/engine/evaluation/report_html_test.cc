#include "engine/evaluation/report_html.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/evaluation/example_report.h"
#include "tests/support/well_formed.h"

namespace kprune {
namespace {

using ::kprune::testing::WhatIsWrongWithPage;
using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The page, once it was found to be sound.
std::string Page(const json& report) {
  std::string page = ReportHtml(report);
  EXPECT_EQ(WhatIsWrongWithPage(page), "");
  return page;
}

// Every string of `value`, keys as well, becomes `text`, but for fields that are looked at by their value.
json Poisoned(const json& value, const std::string& text) {
  if (value.is_string()) return text;
  json poisoned = value;
  if (value.is_structured()) {
    for (const auto& [key, item] : value.items()) {
      if (key == "kind") continue;
      if (value.is_object()) {
        poisoned[key] = Poisoned(item, text);
      } else {
        poisoned[std::stoi(key)] = Poisoned(item, text);
      }
    }
  }
  return poisoned;
}

TEST(WellFormedTest, TheReaderRefusesWhatItShould) {
  const auto wrong = [](const std::string& body) {
    return WhatIsWrongWithPage("<!DOCTYPE html>\n<html>" + body + "</html>\n");
  };
  EXPECT_EQ(wrong("<p title=\"a &amp; b\">a &lt; b</p><svg/>"), "");
  for (const char* body :
       {"<p>", "</p>", "<p></b></p>", "a < b", "a > b", "a & b", "&nbsp;", "<script></script>",
        "<p onclick=\"a\"></p>", "<p title=a></p>", "<p title=\"<\"></p>", "<a href=\"https://x\"></a>",
        "<a href=\"javascript:x\"></a>", "<a href=\"/etc\"></a>", "<img src=\"x\"/>",
        "<style>@import x</style>", "<style>a{b:url(x)}</style>", "<p class=\"a\" class=\"b\"></p>",
        "\x01"}) {
    EXPECT_NE(wrong(body), "") << body;
  }
}

TEST(ReportHtmlTest, Examples) {
  const std::string page = Page(ExampleReport());
  EXPECT_THAT(page, HasSubstr("<h1>49.9 % of the FLOPs kept</h1>"));
  EXPECT_THAT(page, HasSubstr("2.00 G → 998 M"));
  EXPECT_THAT(page, HasSubstr("1.60×"));
  EXPECT_THAT(page, HasSubstr("before 0.91; -1.00 points (95 %: -2.51 to +0.50)"));
  EXPECT_THAT(page, HasSubstr("same answers on 205 samples (95 %: 92.0 % to 98.0 %)"));
  // The map, coloured and in numbers.
  EXPECT_THAT(page, HasSubstr("<td class=\"h10\" title=\"layer 0: 12 of 12 heads kept\">12 / 12"));
  EXPECT_THAT(page, HasSubstr("<td class=\"h5\" title=\"layer 0: 800 of 1536 neurons kept\">800 / 1536"));
  EXPECT_THAT(page, HasSubstr("<td class=\"h0\" title=\"layer 1: 0 of 12 heads kept\">0 / 12"));
  EXPECT_THAT(page, HasSubstr("<td class=\"h1\" title=\"layer 1: 10 of 1536 neurons kept\">10 / 1536"));
  EXPECT_THAT(page, HasSubstr("singular"));
  // A curve each, and where the model was cut: 12 heads gone at a predicted loss of 0.5.
  EXPECT_THAT(page, HasSubstr("<title>layer 1: 12 of 12 heads removed, predicted loss 0.5 nats</title>"));
  EXPECT_THAT(page, HasSubstr("<span class=\"mono\">samples.jsonl:17</span>"));
  EXPECT_THAT(page, HasSubstr("checked, not run"));
  EXPECT_THAT(page, HasSubstr("2 min 11 s"));
  EXPECT_THAT(
      page, HasSubstr("kprune run MODEL \\\n  --data samples.jsonl \\\n  --eval dev.jsonl \\\n  --keep-flops "
                      "0.5 \\\n  --seed 7 \\\n  --output OUTPUT</pre>"));
}

TEST(ReportHtmlTest, NoTextOfAReportBecomesMarkup) {
  for (const std::string& hostile : std::vector<std::string>{
           "</title><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)",
           "&lt;b&gt;", "</style></pre><h1>", std::string("\0\x01\x1b[31m", 7), "<!--", "]]>"}) {
    SCOPED_TRACE(hostile);
    for (json report : {ExampleReport(), ExampleParetoReport()}) {
      report = Poisoned(report, hostile);
      report["inputs"]["data/" + hostile] = hostile;
      report["options"][hostile] = hostile;
      const std::string page = Page(report);
      EXPECT_THAT(page, Not(HasSubstr("<script")));
      EXPECT_THAT(page, Not(HasSubstr("<img")));
    }
  }
}

TEST(ReportHtmlTest, WhatAReportDoesNotHaveIsLeftOut) {
  json report = ExampleReport();
  report["metric"] = nullptr;
  report["flipped"] = nullptr;
  report["curves"] = nullptr;
  report["agreement"] = nullptr;
  EXPECT_THAT(Page(report), AllOf(Not(HasSubstr("accuracy")), Not(HasSubstr("another answer")),
                                  Not(HasSubstr("How it was judged")), Not(HasSubstr("removing more"))));
  const json whole = ExampleReport();
  for (const auto& [field, value] : whole.items()) {
    SCOPED_TRACE(field);
    for (const json& instead :
         {json(), json("x"), json(3), json::array(), json::object(), json{1, "a", nullptr}}) {
      report = ExampleReport();
      report[field] = instead;
      Page(report);
    }
  }
  Page(json::object());
}

TEST(ReportHtmlTest, NumbersThatAreNotFiniteAreNotDrawn) {
  json report = ExampleReport();
  report["curves"][0]["loss"][2] = std::numeric_limits<double>::infinity();
  report["sublayers"][0]["reconstruction_error"] = std::nan("");
  report["latency"]["pruned_ms"] = 0;
  EXPECT_THAT(Page(report), AllOf(Not(HasSubstr("nan")), Not(HasSubstr(">inf")), Not(HasSubstr("\"inf"))));
}

TEST(ReportHtmlTest, OfMethodKpruneItTellsTheSettingsThatWereTried) {
  json report = ExampleReport();
  report["method"] = "kprune";
  report["curves"] = nullptr;
  report["options"]["method"] = "kprune";
  report["options"]["auto_mu"] = true;
  report["options"]["mu"] = 8;
  report["chosen"] = json::parse(R"({"lambda_rep": 0.01, "mu": 8, "judged_by": "kl", "samples": 25,
      "tried": [{"lambda_rep": 0.01, "mu": 1, "loss": null}, {"lambda_rep": 0.01, "mu": 8, "loss": 0.25}]})");
  const std::string page = Page(report);
  EXPECT_THAT(page, HasSubstr("<td class=\"n\">0.25</td><td><span class=\"star\">taken</span></td>"));
  EXPECT_THAT(page, HasSubstr("not finite"));
  EXPECT_THAT(page, AllOf(HasSubstr("--mu auto"), Not(HasSubstr("--mu 8"))));
}

TEST(ReportHtmlTest, OfAModelChosenByItsLossItTellsTheSearch) {
  json report = ExampleReport();
  report["max_drop"] = json::parse(R"({
    "points": 2, "judged_by": "accuracy", "samples": 872, "bound": "tango", "tried": [
      {"keep_flops": 0.5, "drop": 0.2, "upper": 1.25}, {"keep_flops": 0.26, "drop": 1.5, "upper": 2.75}]})");
  report["options"].erase("keep_flops");
  report["options"]["max_drop"] = 2;
  const std::string page = Page(report);
  EXPECT_THAT(page, HasSubstr("at most 2 points of accuracy, by the 95 % interval on 872 samples (tango)"));
  EXPECT_THAT(page, HasSubstr("<td class=\"n\">1.25</td><td><span class=\"star\">within the bound</span>"));
  EXPECT_THAT(page, HasSubstr("<td class=\"n\">2.75</td><td>too much</td>"));
  EXPECT_THAT(page, AllOf(HasSubstr("--max-drop 2"), Not(HasSubstr("--keep-flops"))));
}

TEST(ReportHtmlTest, OfAModelChosenByItsLatencyItTellsWhatTheTableSays) {
  json report = ExampleReport();
  report["latency_budget"] =
      json::parse(R"({"target_ms": 9, "predicted_ms": 8.25, "original_ms": 17, "batch_size": 4,
      "tokens": 25, "runtime": "ONNX Runtime 1.0", "device_name": "a machine", "threads": 2})");
  report["options"].erase("keep_flops");
  report["options"]["target_latency_ms"] = 9;
  report["options"]["latency_table"] = {{"runtime", "ONNX Runtime 1.0"}, {"device_name", "a machine"}};
  const std::string page = Page(report);
  EXPECT_THAT(page, HasSubstr("At most 9 ms were wanted for 4 x 25 tokens in ONNX Runtime 1.0 on a machine"));
  EXPECT_THAT(page, HasSubstr("the original takes 17 ms there and this model 8.25 ms"));
  EXPECT_THAT(page, HasSubstr("of ONNX Runtime 1.0 on a machine</td>"));
  EXPECT_THAT(page, AllOf(HasSubstr("--target-latency 9ms"), HasSubstr("jq .options.latency_table")));
}

TEST(ReportHtmlTest, ShowsThroughputOverBatchSizes) {
  json report = ExampleReport();
  EXPECT_THAT(Page(report), Not(HasSubstr("sequences at once")));
  report["latency"]["by_batch_size"] = json::parse(R"([
      {"batch_size": 1, "tokens": 25, "original_ms": 4, "pruned_ms": 2},
      {"batch_size": 8, "tokens": 25, "original_ms": 20, "pruned_ms": 10}])");
  EXPECT_THAT(Page(report), AllOf(HasSubstr("original, 8 at once: 400 sequences a second"),
                                  HasSubstr("pruned, 8 at once: 800 sequences a second"),
                                  HasSubstr("pruned, 8 at once: 10 milliseconds")));
  for (const char* bad :
       {"[]", "3", "[3, null]", R"([{"batch_size": 0, "original_ms": 1, "pruned_ms": 0}])"}) {
    report["latency"]["by_batch_size"] = json::parse(bad);
    EXPECT_THAT(Page(report), Not(HasSubstr("sequences at once"))) << bad;
  }
}

TEST(ReportHtmlTest, OfEmbeddingsItTellsTheCosine) {
  json report = ExampleReport();
  report["family"] = "distilbert";
  report["task"] = "feature-extraction";
  report["metric"] = nullptr;
  report["flipped"] = nullptr;
  report["agreement"] = {
      {"n", 100}, {"cosine", 0.93}, {"spearman", 0.88}, {"interval95", {{"cosine", {0.92, 0.94}}}}};
  EXPECT_THAT(Page(report),
              AllOf(HasSubstr("cosine on 100 samples (95 %: 0.92 to 0.94)"), HasSubstr("distilbert")));
}

TEST(ReportHtmlTest, OfSeveralModelsItComparesAndLinksThem) {
  const std::string page = Page(ExampleParetoReport());
  EXPECT_THAT(page, HasSubstr("<h1>2 sizes of one model</h1>"));
  EXPECT_THAT(page, HasSubstr("<a href=\"keep-0.70/report.html\">keep-0.70</a>"));
  EXPECT_THAT(page, HasSubstr("<title>keep-0.50: 50.0 % of the FLOPs, accuracy 0.87</title>"));
  EXPECT_THAT(page, HasSubstr("-2.50 to 0.00"));
  EXPECT_THAT(page, HasSubstr("--keep-flops 0.7,0.5"));
  // Nothing to judge with.
  json report = ExampleParetoReport();
  report["agreement"] = report["metric"] = nullptr;
  for (json& row : report["models"]) {
    for (const char* field : {"agreement", "kl", "metric", "difference", "pareto"}) row[field] = nullptr;
  }
  EXPECT_THAT(Page(report), AllOf(Not(HasSubstr("KL")), Not(HasSubstr("★")), HasSubstr("latency (ms)")));
}

}  // namespace
}  // namespace kprune
