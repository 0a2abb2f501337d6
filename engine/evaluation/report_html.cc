#include "engine/evaluation/report_html.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engine/evaluation/html_page.h"
#include "engine/evaluation/judgement_html.h"
#include "engine/evaluation/latency_html.h"
#include "engine/evaluation/layers_html.h"
#include "engine/evaluation/number_text.h"
#include "engine/evaluation/pareto_html.h"
#include "engine/evaluation/provenance_html.h"
#include "engine/evaluation/report_fields.h"
#include "engine/evaluation/svg_charts.h"

namespace kprune {
namespace {

using nlohmann::json;

std::string Card(std::string_view label, const std::string& value, const std::string& graphic,
                 const std::string& detail) {
  return absl::StrCat("<div class=\"card\"><div class=\"label\">", EscapeHtml(label),
                      "</div><div class=\"value\">", EscapeHtml(value), "</div>", graphic,
                      "<div class=\"detail\">", EscapeHtml(detail), "</div></div>\n");
}

std::string SizeCard(const json& report, const std::string& field, std::string_view label,
                     std::string (*text)(double)) {
  const auto original = NumberIn(report, absl::StrCat("/", field, "/original").c_str());
  const auto kept = NumberIn(report, absl::StrCat("/", field, "/kept").c_str());
  if (!original || !kept || *original <= 0) return "";
  return Card(label, PercentText(*kept / *original), SvgBar(*kept / *original, "after"),
              absl::StrCat(text(*original), " → ", text(*kept)));
}

std::string LatencyCard(const json& report) {
  const auto original = NumberIn(report, "/latency/original_ms"),
             pruned = NumberIn(report, "/latency/pruned_ms");
  if (!original || !pruned || *original <= 0 || *pruned <= 0) return "";
  return Card("Speed-up", absl::StrFormat("%.2f×", *original / *pruned), SvgBar(*pruned / *original, "after"),
              absl::StrCat(DecimalText(*original), " → ", DecimalText(*pruned), " ms"));
}

std::string MetricCard(const json& report) {
  const auto original = NumberIn(report, "/metric/original"), pruned = NumberIn(report, "/metric/pruned");
  if (!original || !pruned) return "";
  std::string detail =
      absl::StrCat("before ", DecimalText(*original), "; ", PointsText(*pruned - *original), " points");
  if (const auto interval = IntervalIn(report, "/metric/difference/interval95"))
    absl::StrAppend(&detail, " (95 %: ", PointsIntervalText(*interval), ")");
  std::string name = TextIn(report, "/metric/name");
  if (!name.empty() && name[0] >= 'a' && name[0] <= 'z') name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return Card(name, DecimalText(*pruned), SvgBar(*pruned, "after"), detail);
}

std::string AgreementCard(const json& report) {
  const std::string name = MainAgreement(report);
  if (name.empty()) return "";
  const double value = *NumberIn(report, absl::StrCat("/agreement/", name).c_str());
  const bool is_share = name == "top1";
  const auto text = [&](double number) { return is_share ? PercentText(number) : DecimalText(number); };
  std::string detail =
      absl::StrCat(is_share ? "same answers" : name, " on ", TextIn(report, "/agreement/n"), " samples");
  if (const auto interval = IntervalIn(report, absl::StrCat("/agreement/interval95/", name).c_str()))
    absl::StrAppend(&detail, " (95 %: ", text(interval->first), " to ", text(interval->second), ")");
  return Card("Agreement", text(value), SvgBar(value, "after"), detail);
}

std::string Header(const json& report) {
  const auto ratio = NumberIn(report, "/flops/ratio");
  std::vector<std::string> facts;
  for (const char* field : {"/family", "/task"}) facts.push_back(TextIn(report, field));
  facts.push_back(absl::StrCat("method ", TextIn(report, "/method")));
  facts.push_back(absl::StrCat("pruned with ", TextIn(report, "/samples"), " samples"));
  if (const std::string part = EndedEarlyText(report); !part.empty()) facts.push_back(part);
  facts.push_back(absl::StrCat("kprune ", TextIn(report, "/versions/kprune")));
  return absl::StrCat("<header><h1>", ratio ? PercentText(*ratio) : "A part",
                      " of the FLOPs kept</h1>\n<p class=\"soft\">", EscapeHtml(absl::StrJoin(facts, " · ")),
                      "</p></header>\n");
}

}  // namespace

std::string ReportHtml(const json& report) {
  if (const json& models = FieldAt(report, "/models"); models.is_array() && !models.empty())
    return ParetoHtml(report);
  const std::string cards = absl::StrCat(SizeCard(report, "flops", "FLOPs a sequence", CountText),
                                         SizeCard(report, "parameters", "Parameters", CountText),
                                         SizeCard(report, "file_bytes", "File size", BytesText),
                                         LatencyCard(report), MetricCard(report), AgreementCard(report));
  const std::string body = absl::StrCat(
      Header(report), "<div class=\"cards\">\n", cards, "</div>\n", JudgementSection(report),
      LatencySection(report), LatencyBudgetSection(report), LayerMapSection(report), SublayersSection(report),
      CurvesSection(report), DropSection(report), SettingSection(report), FlippedSection(report),
      VerificationSection(report), ReproductionSection(report), CircumstancesSection(report));
  return HtmlPage(absl::StrCat("kprune report: ", TextIn(report, "/family"), ", ", TextIn(report, "/task")),
                  body);
}

}  // namespace kprune
