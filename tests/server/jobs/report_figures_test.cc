#include "server/jobs/report_figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  EXPECT_DOUBLE_EQ(figures.agreement.value(), 0.97);
}

TEST(ReportFiguresTest, WhatIsNoShareIsLeftOut) {
  for (const char* report :
       {"", "[]", "{}", R"({"flops": 1, "agreement": null})", R"({"flops": {"original": 0, "kept": 0}})",
        R"({"flops": {"original": 1, "kept": 2}, "agreement": {"top1": 1.5}})",
        R"({"flops": {"original": 1, "kept": -1}, "agreement": {"top1": "0.9"}})",
        R"({"flops": {"original": "1", "kept": 1}, "agreement": {"cosine": 0.9}})"}) {
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
