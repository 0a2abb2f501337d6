#include "engine/evaluation/layers_html.h"

#include <algorithm>
#include <cmath>
#include <map>
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

// Losses below this share of the largest are drawn as that: a logarithm has no zero.
constexpr double kLeastLossShown = 1e-5;

const json& Sublayers(const json& report) {
  static const json* const none = new json(json::array());
  const json& sublayers = FieldAt(report, "/sublayers");
  return sublayers.is_array() ? sublayers : *none;
}

double KeptShare(const json& sublayer) {
  const double units = NumberIn(sublayer, "/units").value_or(0);
  return units > 0 ? NumberIn(sublayer, "/kept").value_or(0) / units : 0;
}

// The class of the colour: 0 for nothing, 10 for everything.
int HeatLevel(double share) { return share <= 0 ? 0 : std::clamp(static_cast<int>(10 * share), 1, 10); }

std::string MapCell(const json& sublayer) {
  const double share = KeptShare(sublayer);
  const std::string kept = TextIn(sublayer, "/kept"), units = TextIn(sublayer, "/units");
  const std::string title = absl::StrCat("layer ", TextIn(sublayer, "/layer"), ": ", kept, " of ", units,
                                         IsAttention(sublayer) ? " heads kept" : " neurons kept");
  return absl::StrCat("<td class=\"h", HeatLevel(share), "\" title=\"", EscapeHtml(title), "\">",
                      EscapeHtml(kept), " / ", EscapeHtml(units), "<small>",
                      absl::StrFormat("%.0f %%", 100 * share), "</small></td>");
}

std::string LayerColor(int layer, int layers) {
  const double up = layers > 1 ? static_cast<double>(layer) / (layers - 1) : 0;
  return absl::StrFormat("hsl(%.0f, 65%%, 52%%)", std::fmod(215 + 170 * up, 360));
}

struct DrawnCurve {
  int layer = 0;
  double units = 0, kept = 0;
  std::vector<SvgPlot::Point> points;  // share removed, predicted loss
};

std::vector<DrawnCurve> Curves(const json& report, bool attention) {
  std::vector<DrawnCurve> drawn;
  const json& curves = FieldAt(report, "/curves");
  const json& sublayers = Sublayers(report);
  for (size_t t = 0; curves.is_array() && t < std::min(curves.size(), sublayers.size()); ++t) {
    if (IsAttention(sublayers[t]) != attention) continue;
    DrawnCurve curve{static_cast<int>(NumberIn(sublayers[t], "/layer").value_or(0)),
                     NumberIn(sublayers[t], "/units").value_or(0),
                     NumberIn(sublayers[t], "/kept").value_or(0),
                     {}};
    const json &removed = FieldAt(curves[t], "/removed"), &loss = FieldAt(curves[t], "/loss");
    for (size_t i = 0; curve.units > 0 && i < std::min(removed.size(), loss.size()); ++i) {
      const std::string at = absl::StrCat("/", i);
      const auto x = NumberIn(removed, at.c_str()), y = NumberIn(loss, at.c_str());
      if (x && y) curve.points.emplace_back(*x / curve.units, *y);
    }
    if (!curve.points.empty()) drawn.push_back(std::move(curve));
  }
  return drawn;
}

// The loss at the share that was removed, between the curve's points.
double LossAt(const DrawnCurve& curve, double share) {
  const auto after = std::find_if(curve.points.begin(), curve.points.end(),
                                  [&](const SvgPlot::Point& point) { return point.first >= share; });
  if (after == curve.points.end()) return curve.points.back().second;
  if (after == curve.points.begin()) return after->second;
  const auto before = after - 1;
  const double way = (share - before->first) / (after->first - before->first);
  return before->second + way * (after->second - before->second);
}

std::string CurvePlot(const json& report, bool attention) {
  const std::vector<DrawnCurve> curves = Curves(report, attention);
  double largest = 0;
  int layers = 1;
  for (const DrawnCurve& curve : curves) {
    for (const auto& point : curve.points) largest = std::max(largest, point.second);
    layers = std::max(layers, curve.layer + 1);
  }
  if (largest <= 0) return "";
  const std::string what = attention ? "heads" : "neurons";
  SvgPlot plot(absl::StrCat("Predicted loss against the share of ", what, " removed, a line a layer"),
               {.label = absl::StrCat(what, " removed"),
                .text = [](double x) { return absl::StrFormat("%g %%", 100 * x); }},
               {.label = "predicted loss (nats)",
                .low = kLeastLossShown * largest,
                .high = largest,
                .logarithmic = true});
  for (const DrawnCurve& curve : curves)
    plot.AddLine(curve.points, LayerColor(curve.layer, layers), absl::StrCat("layer ", curve.layer));
  for (const DrawnCurve& curve : curves) {
    const double share = 1 - curve.kept / curve.units, loss = LossAt(curve, share);
    const std::string title =
        absl::StrFormat("layer %d: %g of %g %s removed, predicted loss %s nats", curve.layer,
                        curve.units - curve.kept, curve.units, what, DecimalText(loss));
    plot.AddMark({share, loss}, LayerColor(curve.layer, layers), title);
  }
  std::string ramp;
  for (int layer = 0; layer < layers; ++layer) {
    absl::StrAppendFormat(&ramp, "<rect x=\"%.2f%%\" width=\"%.2f%%\" height=\"100%%\" fill=\"%s\"/>",
                          100.0 * layer / layers, 100.0 / layers, LayerColor(layer, layers));
  }
  return absl::StrCat("<figure><h3>", attention ? "Attention heads" : "Neurons", "</h3>\n", plot.ToString(),
                      "<figcaption>layer 0<svg class=\"ramp\" aria-hidden=\"true\">", ramp, "</svg>layer ",
                      layers - 1, "</figcaption></figure>\n");
}

}  // namespace

std::string LayerMapSection(const json& report) {
  struct Cells {
    std::string layers, heads = "<td></td>", neurons = "<td></td>";
  };
  std::map<int, Cells> layers;
  for (const json& sublayer : Sublayers(report)) {
    Cells& cells = layers[static_cast<int>(NumberIn(sublayer, "/layer").value_or(0))];
    cells.layers = LayersText(sublayer);
    (IsAttention(sublayer) ? cells.heads : cells.neurons) = MapCell(sublayer);
  }
  if (layers.empty()) return "";
  std::string rows, scale;
  // From the top of the model down, as a stack is drawn.
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    absl::StrAppend(&rows, "<tr><th scope=\"row\">", layer->second.layers, "</th>", layer->second.heads,
                    layer->second.neurons, "</tr>\n");
  }
  for (int level = 0; level <= 10; ++level) absl::StrAppend(&scale, "<span class=\"h", level, "\"></span>");
  return HtmlSection(
      "What is left of every layer",
      absl::StrCat(
          "<table class=\"map\"><thead><tr><th scope=\"col\">layer</th><th scope=\"col\">heads kept</th>"
          "<th scope=\"col\">neurons kept</th></tr></thead>\n<tbody>\n",
          rows, "</tbody></table>\n<p class=\"scale\"><b>none</b>", scale, "<b>all</b></p>\n"));
}

std::string SublayersSection(const json& report) {
  HtmlTable table("", {"layer", "sublayer", "kept", "error", "", "solver", "condition", "time"});
  for (const json& sublayer : Sublayers(report)) {
    const auto error = NumberIn(sublayer, "/reconstruction_error"),
               condition = NumberIn(sublayer, "/condition");
    double seconds = 0;
    for (const char* part : {"/seconds/measure", "/seconds/search", "/seconds/tune"})
      seconds += NumberIn(sublayer, part).value_or(0);
    table.AddRow({EscapeHtml(TextIn(sublayer, "/layer")),
                  IsAttention(sublayer) ? "attention" : "feed-forward",
                  EscapeHtml(absl::StrCat(TextIn(sublayer, "/kept"), " of ", TextIn(sublayer, "/units"))),
                  error ? absl::StrFormat("%.3f", *error) : "", error ? SvgBar(*error, "warm") : "",
                  EscapeHtml(TextIn(sublayer, "/solver")),
                  condition ? absl::StrFormat("%.1e", *condition) : "singular", DurationText(seconds)});
  }
  if (table.empty()) return "";
  return HtmlSection("How every sublayer was refitted",
                     absl::StrCat("<p class=\"soft\">The reconstruction error is what remains, relative, of "
                                  "the difference from the original's "
                                  "output at the same place once the kept units have been refitted.</p>\n",
                                  table.ToString()));
}

std::string CurvesSection(const json& report) {
  const std::string plots = absl::StrCat(CurvePlot(report, true), CurvePlot(report, false));
  if (plots.empty()) return "";
  return HtmlSection(
      "What removing more would cost",
      absl::StrCat(
          "<p class=\"soft\">The loss that the search predicts once so many units are gone and the others "
          "refitted, a line a layer. The dots are where this model was cut.</p>\n<div class=\"plots\">\n",
          plots, "</div>\n"));
}

}  // namespace kprune
