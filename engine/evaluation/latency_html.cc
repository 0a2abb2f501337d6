#include "engine/evaluation/latency_html.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/evaluation/html_page.h"
#include "engine/evaluation/number_text.h"
#include "engine/evaluation/report_fields.h"
#include "engine/evaluation/svg_charts.h"

namespace kprune {
namespace {

using nlohmann::json;

struct BatchLine {
  const char* name;
  const char* field;
  const char* color;
  std::vector<SvgPlot::Point> points;
};

// What `value` makes of a batch's size and milliseconds, against the size; `what` names it.
std::string BatchPlot(const json& rows, const char* heading, const char* what,
                      double (*value)(double size, double ms)) {
  BatchLine lines[] = {{"original", "/original_ms", "var(--before)", {}},
                       {"pruned", "/pruned_ms", "var(--after)", {}}};
  double most = 0, largest = 1;
  for (const json& row : rows) {
    const auto size = NumberIn(row, "/batch_size");
    for (BatchLine& line : lines) {
      const auto ms = NumberIn(row, line.field);
      if (!size || !ms || *size < 1 || *ms <= 0) continue;
      line.points.emplace_back(*size, value(*size, *ms));
      most = std::max(most, line.points.back().second);
      largest = std::max(largest, *size);
    }
  }
  if (most == 0 || largest == 1) return "";
  SvgPlot plot(absl::StrCat(heading, ", original and pruned"),
               {.label = "sequences at once", .low = 1, .high = largest, .logarithmic = true},
               {.label = what, .high = most});
  for (const BatchLine& line : lines) {
    plot.AddLine(line.points, line.color, line.name);
    for (const SvgPlot::Point& point : line.points) {
      plot.AddMark(
          point, line.color,
          absl::StrFormat("%s, %g at once: %s %s", line.name, point.first, DecimalText(point.second), what),
          &point == &line.points.back() ? line.name : "");
    }
  }
  return absl::StrCat("<figure><h3>", heading, "</h3>\n", plot.ToString(), "</figure>\n");
}

std::string BatchPlots(const json& report) {
  const json& rows = FieldAt(report, "/latency/by_batch_size");
  if (!rows.is_array()) return "";
  const std::string plots = absl::StrCat(
      BatchPlot(rows, "Throughput", "sequences a second",
                [](double size, double ms) { return 1e3 * size / ms; }),
      BatchPlot(rows, "Latency of a batch", "milliseconds", [](double, double ms) { return ms; }));
  return plots.empty() ? "" : absl::StrCat("<div class=\"plots\">\n", plots, "</div>\n");
}

}  // namespace

std::string LatencySection(const json& report) {
  const auto original = NumberIn(report, "/latency/original_ms"),
             pruned = NumberIn(report, "/latency/pruned_ms");
  if (!original || !pruned || *original <= 0 || *pruned <= 0) return "";
  const double longest = std::max(*original, *pruned);
  const auto row = [&](const char* name, double ms, std::string_view tone) {
    return absl::StrCat("<span>", name, "</span>", SvgBar(ms / longest, tone), "<span>", DecimalText(ms),
                        " ms</span>\n");
  };
  const std::string note =
      absl::StrCat("Median of forward passes in turns, ", TextIn(report, "/latency/batch_size"),
                   " sequences of ", TextIn(report, "/latency/tokens"), " tokens, on ",
                   TextIn(report, "/device/name"), " with ", TextIn(report, "/device/threads"), " threads.");
  return HtmlSection(
      "Latency", absl::StrCat("<div class=\"latency\">\n", row("original", *original, "before"),
                              row("pruned", *pruned, "after"), "</div>\n<p class=\"soft\">", EscapeHtml(note),
                              "</p>\n", BatchPlots(report)));
}

std::string LatencyBudgetSection(const json& report) {
  const json& budget = FieldAt(report, "/latency_budget");
  const auto target = NumberIn(budget, "/target_ms"), predicted = NumberIn(budget, "/predicted_ms"),
             original = NumberIn(budget, "/original_ms"), tokens = NumberIn(budget, "/tokens");
  if (!target || !predicted || !original || !tokens) return "";
  const std::string text = absl::StrCat(
      "At most ", DecimalText(*target), " ms were wanted for ", TextIn(budget, "/batch_size"), " x ",
      DecimalText(*tokens), " tokens in ", TextIn(budget, "/runtime"), " on ", TextIn(budget, "/device_name"),
      " with ", TextIn(budget, "/threads"), " threads. By the table of that machine the original takes ",
      DecimalText(*original), " ms there and this model ", DecimalText(*predicted), " ms.");
  return HtmlSection("The latency that was wanted", absl::StrCat("<p>", EscapeHtml(text), "</p>\n"));
}

}  // namespace kprune
