// Charts as inline SVG. Colours are classes of report.css ("before", "after", "warm"). Every mark that says
// something has a <title>. Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_SVG_CHARTS_H_
#define KPRUNE_ENGINE_EVALUATION_SVG_CHARTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kprune {

// A bar that fills `share` (0 to 1; cut) of its box. Decoration beside a number.
std::string SvgBar(double share, std::string_view tone);

// A value within its interval, on a scale from `low` to `high`, with a line at `zero` where that is given.
struct IntervalMark {
  double value = 0;
  std::pair<double, double> interval;
  std::string_view tone = "after";
};
std::string SvgInterval(const IntervalMark& mark, double low, double high,
                        std::optional<double> zero = std::nullopt);

struct PlotAxis {
  std::string label;
  double low = 0, high = 1;  // of the data; low > 0 where logarithmic
  bool logarithmic = false;
  std::string (*text)(double) = nullptr;  // of a tick; DecimalText where there is none
};

// Lines and marks in two axes. What is given in class names and texts is escaped.
class SvgPlot {
 public:
  using Point = std::pair<double, double>;

  // `title` says what is shown. An axis without extent is widened.
  SvgPlot(std::string_view title, PlotAxis x, PlotAxis y);

  // `color` is any CSS colour.
  void AddLine(const std::vector<Point>& points, std::string_view color, std::string_view title);
  void AddMark(const Point& at, std::string_view color, std::string_view title, std::string_view label = "");
  void AddWhisker(double x, double low, double high, std::string_view color);
  // A dashed line at y.
  void AddLevel(double y, std::string_view label);

  std::string ToString() const;

 private:
  double X(double x) const;
  double Y(double y) const;
  std::string Axes() const;

  std::string title_;
  PlotAxis x_, y_;
  std::string marks_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_SVG_CHARTS_H_
