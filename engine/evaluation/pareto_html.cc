#include "engine/evaluation/pareto_html.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/evaluation/html_page.h"
#include "engine/evaluation/number_text.h"
#include "engine/evaluation/provenance_html.h"
#include "engine/evaluation/report_fields.h"
#include "engine/evaluation/svg_charts.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

using nlohmann::json;

constexpr char kAfter[] = "var(--after)", kBefore[] = "var(--before)";

// "folder", as a link to its page where it is one of ours.
std::string FolderCell(const json& row) {
  const std::string folder = TextIn(row, "/folder"), text = EscapeHtml(folder);
  return IsBudgetFolder(folder) ? absl::StrCat("<a href=\"", text, "/report.html\">", text, "</a>") : text;
}

std::string Text(const std::optional<double>& value, std::string (*text)(double)) {
  return value ? text(*value) : "";
}

std::vector<std::string> Cells(const json& report, const json& row, const std::string& name) {
  const auto flops = NumberIn(row, "/flops"), all = NumberIn(report, "/original/flops");
  const auto ms = NumberIn(row, "/latency_ms"), before = NumberIn(report, "/original/latency_ms");
  const auto change = IntervalIn(row, "/difference/interval95");
  const json& pareto = FieldAt(row, "/pareto");
  return {name,
          Text(flops, CountText),
          flops && all && *all > 0 ? PercentText(*flops / *all) : "",
          Text(NumberIn(row, "/parameters"), CountText),
          Text(NumberIn(row, "/file_bytes"), BytesText),
          Text(ms, DecimalText),
          ms && before && *ms > 0 ? absl::StrFormat("%.2f×", *before / *ms) : "",
          Text(NumberIn(row, "/agreement"), DecimalText),
          Text(NumberIn(row, "/kl"), DecimalText),
          Text(NumberIn(row, "/metric"), DecimalText),
          change ? PointsIntervalText(*change) : "",
          pareto.is_boolean() && pareto.get<bool>() ? "<span class=\"star\">★</span>" : ""};
}

std::string ModelsSection(const json& report) {
  const std::string agreement = TextIn(report, "/agreement/name"), metric = TextIn(report, "/metric/name");
  const std::vector<std::string> header = {
      "",         "FLOPs",   "",   "parameters", "file size",     "ms",
      "speed-up", agreement, "KL", metric,       "points (95 %)", "Pareto"};
  std::vector<std::vector<std::string>> rows = {Cells(report, FieldAt(report, "/original"), "original")};
  for (const json& model : FieldAt(report, "/models"))
    rows.push_back(Cells(report, model, FolderCell(model)));
  // Columns in which no model has anything are left out.
  std::vector<size_t> columns;
  for (size_t i = 0; i < header.size(); ++i) {
    if (std::any_of(rows.begin() + 1, rows.end(), [&](const auto& row) { return !row[i].empty(); }))
      columns.push_back(i);
  }
  const auto shown = [&](const std::vector<std::string>& cells) {
    std::vector<std::string> taken;
    for (const size_t i : columns) taken.push_back(cells[i]);
    return taken;
  };
  HtmlTable table("", shown(header));
  for (const auto& row : rows) table.AddRow(shown(row));
  std::string notes;
  if (!agreement.empty()) {
    absl::StrAppend(&notes, "<p class=\"soft\">", EscapeHtml(agreement), ": agreement with the original on ",
                    EscapeHtml(TextIn(report, "/agreement/n")),
                    " samples that did not prune. ★: no other model costs no more and agrees no less.</p>\n");
  }
  if (!metric.empty()) {
    absl::StrAppend(&notes, "<p class=\"soft\">", EscapeHtml(metric), ": on ",
                    EscapeHtml(TextIn(report, "/metric/n")),
                    " labelled samples; points are what was gained or lost against the original.</p>\n");
  }
  return HtmlSection("The models", absl::StrCat(table.ToString(), notes));
}

struct PlottedRow {
  std::string folder;
  double share = 0;  // of the FLOPs
  double value = 0, low = 0, high = 0;
  bool pareto = false;
};

// `pointer` of every model against its FLOPs; `level` is the original's.
std::string Plot(const json& report, const char* pointer, const std::string& label,
                 std::optional<double> level) {
  const double all = NumberIn(report, "/original/flops").value_or(0);
  std::vector<PlottedRow> rows;
  double low = level.value_or(std::numeric_limits<double>::infinity()),
         high = level.value_or(-std::numeric_limits<double>::infinity());
  for (const json& model : FieldAt(report, "/models")) {
    const auto flops = NumberIn(model, "/flops"), value = NumberIn(model, pointer);
    if (!flops || !value || all <= 0) continue;
    PlottedRow row{TextIn(model, "/folder"),
                   *flops / all,
                   *value,
                   *value,
                   *value,
                   FieldAt(model, "/pareto").is_boolean() && FieldAt(model, "/pareto").get<bool>()};
    const auto change = IntervalIn(model, "/difference/interval95");
    if (level && change && std::string_view(pointer) == "/metric") {
      row.low = *level + change->first;
      row.high = *level + change->second;
    }
    low = std::min(low, row.low);
    high = std::max(high, row.high);
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return "";
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.share < b.share; });
  const double margin = std::max(0.08 * (high - low), 1e-6);
  SvgPlot plot(absl::StrCat(label, " against the share of FLOPs kept"),
               {.label = "FLOPs kept", .text = [](double x) { return absl::StrFormat("%g %%", 100 * x); }},
               {.label = label, .low = low - margin, .high = high + margin});
  if (level) plot.AddLevel(*level, "original");
  std::vector<SvgPlot::Point> line;
  for (const PlottedRow& row : rows) line.emplace_back(row.share, row.value);
  plot.AddLine(line, kAfter, label);
  for (const PlottedRow& row : rows) {
    if (row.high > row.low) plot.AddWhisker(row.share, row.low, row.high, kAfter);
    const std::string title = absl::StrCat(row.folder, ": ", PercentText(row.share), " of the FLOPs, ", label,
                                           " ", DecimalText(row.value));
    plot.AddMark({row.share, row.value}, row.pareto ? kAfter : kBefore, title,
                 absl::StrFormat("%.0f %%", 100 * row.share));
  }
  return absl::StrCat("<figure><h3>", EscapeHtml(label), "</h3>\n", plot.ToString(), "</figure>\n");
}

std::string PlotsSection(const json& report) {
  const std::string agreement = TextIn(report, "/agreement/name"), metric = TextIn(report, "/metric/name");
  const std::string plots = absl::StrCat(
      agreement.empty()
          ? ""
          : Plot(report, "/agreement", absl::StrCat("agreement (", agreement, ")"), std::nullopt),
      metric.empty() ? "" : Plot(report, "/metric", metric, NumberIn(report, "/original/metric")),
      Plot(report, "/latency_ms", "latency (ms)", NumberIn(report, "/original/latency_ms")));
  if (plots.empty()) return "";
  return HtmlSection(
      "What is kept for what it costs",
      absl::StrCat("<div class=\"plots\">\n", plots,
                   "</div>\n<p class=\"soft\">Blue dots are on the Pareto front; upright lines are 95 % "
                   "intervals of the difference from the original.</p>\n"));
}

}  // namespace

std::string ParetoHtml(const json& report) {
  const std::string header = absl::StrCat(
      "<header><h1>", FieldAt(report, "/models").size(), " sizes of one model</h1>\n<p class=\"soft\">",
      EscapeHtml(absl::StrCat(TextIn(report, "/family"), " · ", TextIn(report, "/task"), " · method ",
                              TextIn(report, "/method"), " · pruned with ", TextIn(report, "/samples"),
                              " samples · kprune ", TextIn(report, "/versions/kprune"))),
      "</p></header>\n");
  return HtmlPage(absl::StrCat("kprune report: ", TextIn(report, "/family"), ", ", TextIn(report, "/task")),
                  absl::StrCat(header, ModelsSection(report), PlotsSection(report),
                               ReproductionSection(report), CircumstancesSection(report)));
}

}  // namespace kprune
