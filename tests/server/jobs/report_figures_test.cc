#include "server/jobs/report_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using testing::TemporaryFolder;
using testing::WriteFile;

constexpr char kReport[] =
    R"({"flops": {"original": 200, "kept": 50}, "parameters": {"original": 100, "kept": 80}, "agreement": {"top1": 0.97}})";

TEST(ReportFiguresTest, Examples) {
  const ReportFigures figures = ParseReportFigures(kReport);
  EXPECT_DOUBLE_EQ(figures.flops_removed.value(), 0.75);
  EXPECT_DOUBLE_EQ(figures.parameters_removed.value(), 0.2);
  EXPECT_EQ(figures.agreement.value().measure, "top1");
  EXPECT_DOUBLE_EQ(figures.agreement.value().value, 0.97);
}

// "measure value" of a report with this agreement; "none" without one.
std::string AgreementIn(const std::string& agreement) {
  const auto figure = ParseReportFigures(R"({"agreement": )" + agreement + "}").agreement;
  return figure ? absl::StrCat(std::string(figure->measure), " ", figure->value) : "none";
}

// Reports of the worker, task by task.
TEST(ReportFiguresTest, EveryTaskHasItsMeasure) {
  const std::pair<const char*, const char*> reports[] = {
      {R"({"interval95": {"kl": [0.0068442, 0.0225931], "top1": [0.5655175, 1.0]}, "kl": 0.0134558, "n": 5,
           "tokens": 35, "top1": 1.0})",
       "top1 1"},  // token-classification; fill-mask has the same
      {R"({"interval95": {"kl": [0.0174678, 0.0303222], "top1": [0.3755346, 0.9637759]}, "kl": 0.0232547, "n": 5,
           "top1": 0.8})",
       "top1 0.8"},  // question-answering; so have text-classification and multiple-choice
      {R"({"interval95": {"spearman": [0.1111111, 1.0]}, "n": 5, "pearson": 0.6666001, "rmse": 0.0885957,
           "spearman": 0.8})",
       "spearman 0.8"},  // text-classification, a regression
      {R"({"cosine": 0.98262866267721, "interval95": {"cosine": [0.9759430, 0.9889463]}, "n": 6,
           "spearman": 0.9642857142857143})",
       "cosine 0.982629"},  // feature-extraction
      {"null", "none"},     // without held-out samples
  };
  for (const auto& [agreement, figure] : reports) EXPECT_EQ(AgreementIn(agreement), figure) << agreement;
}

TEST(ReportFiguresTest, AnAgreementIsAShareWhateverTheWorkerSays) {
  EXPECT_EQ(AgreementIn(R"({"cosine": -0.25})"), "cosine 0") << "no agreement at all";
  EXPECT_EQ(AgreementIn(R"({"spearman": -1})"), "spearman 0");
  EXPECT_EQ(AgreementIn(R"({"cosine": 1.0000000000000002})"), "cosine 1") << "of equal embeddings, rounded";
  EXPECT_EQ(AgreementIn(R"({"top1": null, "cosine": 0.5})"), "cosine 0.5");
  for (const char* agreement :
       {"null", "{}", "[]", "1", R"({"cosine": 1.1})", R"({"spearman": -1.1})",
        R"({"top1": 1e300, "cosine": 0.5})", R"({"cosine": "0.9"})", R"({"pearson": 0.9, "rmse": 0.1})"})
    EXPECT_EQ(AgreementIn(agreement), "none") << agreement;
}

TEST(ReportFiguresTest, WhatIsNoShareIsLeftOut) {
  for (const char* report :
       {"", "[]", "{}", R"({"flops": 1, "agreement": null})", R"({"flops": {"original": 0, "kept": 0}})",
        R"({"flops": {"original": 1, "kept": 2}, "agreement": {"top1": 1.5}})",
        R"({"flops": {"original": 1, "kept": -1}, "agreement": {"top1": "0.9"}})",
        R"({"flops": {"original": "1", "kept": 1}, "agreement": {"rmse": 0.9}})"}) {
    const ReportFigures figures = ParseReportFigures(report);
    EXPECT_FALSE(figures.flops_removed.has_value()) << report;
    EXPECT_FALSE(figures.agreement.has_value()) << report;
  }
}

TEST(ReportFiguresTest, OfSeveralModelsEachHasItsOwn) {
  const TemporaryFolder job;
  WriteFile(job / "result/report.json", R"({"models": []})");
  WriteFile(job / "result/keep-0.50/report.json", kReport);
  WriteFile(job / "result/keep-0.25/report.json", "no JSON");
  const Manifest files = {{"report.json"},
                          {"keep-0.50/report.json"},
                          {"keep-0.25/report.json"},
                          {"keep-0.10/report.json"},
                          {"model.safetensors"}};
  ASSERT_EQ(ReadReportFigures(job.path(), files).size(), 1u);
  EXPECT_EQ(ReadReportFigures(job.path(), files)[0].flops_removed, 0.75);
}

}  // namespace
}  // namespace kprune
