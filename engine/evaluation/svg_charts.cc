#include "engine/evaluation/svg_charts.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/evaluation/html_page.h"
#include "engine/evaluation/number_text.h"

namespace kprune {
namespace {

// Of a plot, in its own units; so wide that its texts can be read on a phone.
constexpr double kWidth = 360, kHeight = 230, kLeft = 46, kRight = 12, kTop = 16, kBottom = 38;
constexpr int kTicks = 5;

double Within(double share) { return std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0.0; }

std::string Percent(double share) { return absl::StrFormat("%.2f%%", 100 * Within(share)); }

double Share(const PlotAxis& axis, double value) {
  if (!axis.logarithmic) return Within((value - axis.low) / (axis.high - axis.low));
  return Within(std::log(std::max(value, axis.low) / axis.low) / std::log(axis.high / axis.low));
}

// 1, 2 or 5 times a power of ten.
double NiceStep(double extent) {
  const double power = std::pow(10, std::floor(std::log10(extent / kTicks)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (extent / (factor * power) <= kTicks) return factor * power;
  }
  return 10 * power;
}

std::vector<double> Ticks(const PlotAxis& axis) {
  std::vector<double> ticks;
  if (!axis.logarithmic) {
    const double step = NiceStep(axis.high - axis.low);
    for (double k = std::ceil(axis.low / step - 1e-9); k * step <= axis.high + 1e-9 * step; ++k)
      ticks.push_back(k == 0 ? 0 : k * step);
    return ticks;
  }
  const double first = std::ceil(std::log10(axis.low) - 1e-9),
               last = std::floor(std::log10(axis.high) + 1e-9);
  const double every = std::max(1.0, std::ceil((last - first + 1) / kTicks));
  for (double power = first; power <= last; power += every) ticks.push_back(std::pow(10, power));
  return ticks;
}

std::string TickText(const PlotAxis& axis, double value) {
  return EscapeHtml(axis.text == nullptr ? DecimalText(value) : axis.text(value));
}

PlotAxis WithExtent(PlotAxis axis) {
  if (axis.high > axis.low) return axis;
  const double half = axis.logarithmic ? 0 : std::max(std::fabs(axis.low) / 10, 1e-6);
  axis.low -= half;
  axis.high = axis.logarithmic ? 10 * axis.low : axis.high + half;
  return axis;
}

}  // namespace

std::string SvgBar(double share, std::string_view tone) {
  return absl::StrCat(
      "<svg class=\"bar\" aria-hidden=\"true\"><rect class=\"track\" width=\"100%\" height=\"100%\" "
      "rx=\"3\"/><rect class=\"",
      EscapeHtml(tone), "\" width=\"", Percent(share), "\" height=\"100%\" rx=\"3\"/></svg>");
}

std::string SvgInterval(const IntervalMark& mark, double low, double high, std::optional<double> zero) {
  const auto at = [&](double value) { return Percent(high > low ? (value - low) / (high - low) : 0.5); };
  std::string svg = absl::StrCat("<svg class=\"interval ", EscapeHtml(mark.tone), "\" aria-hidden=\"true\">");
  if (zero) {
    absl::StrAppend(&svg, "<line class=\"zero\" x1=\"", at(*zero), "\" x2=\"", at(*zero),
                    "\" y1=\"0\" y2=\"100%\"/>");
  }
  absl::StrAppend(&svg, "<line x1=\"", at(mark.interval.first), "\" x2=\"", at(mark.interval.second),
                  "\" y1=\"50%\" y2=\"50%\"/><circle cx=\"", at(mark.value), "\" cy=\"50%\" r=\"4\"/></svg>");
  return svg;
}

SvgPlot::SvgPlot(std::string_view title, PlotAxis x, PlotAxis y)
    : title_(title), x_(WithExtent(std::move(x))), y_(WithExtent(std::move(y))) {}

double SvgPlot::X(double x) const { return kLeft + Share(x_, x) * (kWidth - kLeft - kRight); }

double SvgPlot::Y(double y) const { return kHeight - kBottom - Share(y_, y) * (kHeight - kTop - kBottom); }

void SvgPlot::AddLine(const std::vector<Point>& points, std::string_view color, std::string_view title) {
  if (points.empty()) return;
  std::string path;
  for (const auto& [x, y] : points)
    absl::StrAppendFormat(&path, "%s%.1f,%.1f", path.empty() ? "" : " ", X(x), Y(y));
  absl::StrAppend(&marks_, "<polyline stroke=\"", EscapeHtml(color), "\" points=\"", path, "\"><title>",
                  EscapeHtml(title), "</title></polyline>\n");
}

void SvgPlot::AddMark(const Point& at, std::string_view color, std::string_view title,
                      std::string_view label) {
  const double x = X(at.first), y = Y(at.second);
  absl::StrAppendFormat(&marks_,
                        "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" fill=\"%s\"><title>%s</title></circle>\n",
                        x, y, EscapeHtml(color), EscapeHtml(title));
  if (label.empty()) return;
  const bool right = x > kWidth - 60, left = x < kLeft + 30;
  const double down = y < kTop + 14 ? 16 : -8;
  absl::StrAppendFormat(&marks_, "<text class=\"label\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
                        x, y + down,
                        right  ? "end"
                        : left ? "start"
                               : "middle",
                        EscapeHtml(label));
}

void SvgPlot::AddWhisker(double x, double low, double high, std::string_view color) {
  absl::StrAppendFormat(
      &marks_, "<line class=\"whisker\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
      X(x), X(x), Y(low), Y(high), EscapeHtml(color));
}

void SvgPlot::AddLevel(double y, std::string_view label) {
  absl::StrAppendFormat(&marks_,
                        "<line class=\"level\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                        "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n",
                        kLeft, kWidth - kRight, Y(y), Y(y), kLeft + 4, Y(y) - 5, EscapeHtml(label));
}

std::string SvgPlot::Axes() const {
  std::string axes;
  for (const double tick : Ticks(x_)) {
    absl::StrAppendFormat(&axes,
                          "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                          "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
                          X(tick), X(tick), kTop, kHeight - kBottom, X(tick), kHeight - kBottom + 14,
                          TickText(x_, tick));
  }
  for (const double tick : Ticks(y_)) {
    absl::StrAppendFormat(&axes,
                          "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>"
                          "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                          kLeft, kWidth - kRight, Y(tick), Y(tick), kLeft - 5, Y(tick) + 3.5,
                          TickText(y_, tick));
  }
  absl::StrAppendFormat(&axes,
                        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n"
                        "<text x=\"4\" y=\"%.1f\">%s</text>\n",
                        kWidth - kRight, kHeight - 6, EscapeHtml(x_.label), kTop - 7, EscapeHtml(y_.label));
  return axes;
}

std::string SvgPlot::ToString() const {
  return absl::StrFormat(
      "<svg class=\"plot\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n%s%s</svg>\n", kWidth,
      kHeight, EscapeHtml(title_), Axes(), marks_);
}

}  // namespace kprune
