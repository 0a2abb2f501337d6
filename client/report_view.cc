#include "client/report_view.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/json_view.h"
#include "client/quantities.h"
#include "client/text_table.h"

namespace kprune::client {
namespace {

using nlohmann::json;

constexpr int kMapCells = 20;

void AddBeforeAfter(const json& report, const char* field, const char* title, std::string (*format)(double),
                    TextTable& table) {
  if (!HasNumber(report, {field, "original"}) || !HasNumber(report, {field, "kept"})) return;
  const double original = NumberAt(report, {field, "original"}, 0);
  const double kept = NumberAt(report, {field, "kept"}, 0);
  table.AddRow({title, format(original), format(kept), original > 0 ? FormatPercent(kept / original) : ""});
}

// {"median": {"original_ms", "pruned_ms"}} and the like: every pair of numbers named original* and pruned* or
// kept*.
void AddLatency(const json& latency, const std::string& title, TextTable& table) {
  if (!latency.is_object()) return;
  double original = 0;
  double pruned = 0;
  for (const auto& [key, value] : latency.items()) {
    if (value.is_object()) AddLatency(value, absl::StrCat(title, " ", key), table);
    if (!value.is_number()) continue;
    if (key.rfind("original", 0) == 0) original = value.get<double>();
    if (key.rfind("pruned", 0) == 0 || key.rfind("kept", 0) == 0) pruned = value.get<double>();
  }
  if (original <= 0 || pruned <= 0) return;
  table.AddRow({title, FormatNumber(original), FormatNumber(pruned),
                absl::StrFormat("%.2fx faster", original / pruned)});
}

std::string BeforeAfter(const json& report) {
  TextTable table({"", "before", "after", ""});
  AddBeforeAfter(report, "flops", "FLOPs a sequence", FormatCount, table);
  AddBeforeAfter(report, "parameters", "parameters", FormatCount, table);
  AddBeforeAfter(report, "file_bytes", "file size", FormatBytes, table);
  AddLatency(At(report, {"latency"}), "latency (ms)", table);
  const json& metric = At(report, {"metric"});
  if (HasNumber(metric, {"original"}) && HasNumber(metric, {"pruned"})) {
    const double original = NumberAt(metric, {"original"}, 0);
    const double pruned = NumberAt(metric, {"pruned"}, 0);
    table.AddRow(
        {InlineText(At(metric, {"name"})), FormatNumber(original), FormatNumber(pruned),
         absl::StrFormat("%+.2f points on %s", (pruned - original) * 100, InlineText(At(metric, {"n"})))});
  }
  return table.ToString();
}

std::string Agreement(const json& report) {
  const json& agreement = At(report, {"agreement"});
  if (!agreement.is_object() || agreement.empty()) return "";
  std::vector<std::string> parts;
  for (const auto& [key, value] : agreement.items()) {
    if (key == "n" || key == "interval95" || value.is_null()) continue;
    parts.push_back(absl::StrCat(key, " ", InlineText(value)));
    const json& interval = At(agreement, {"interval95", key.c_str()});
    if (interval.is_array() && interval.size() == 2)
      absl::StrAppend(&parts.back(), " (", InlineText(interval[0]), " to ", InlineText(interval[1]), ")");
  }
  std::string text = "agreement with the original";
  if (agreement.contains("n"))
    absl::StrAppend(&text, " on ", InlineText(agreement["n"]), " samples not used for pruning");
  std::string separator = ": ";
  for (const std::string& part : parts) {
    absl::StrAppend(&text, separator, part);
    separator = ", ";
  }
  return absl::StrCat(text, "\n");
}

bool IsAttention(const json& sublayer) {
  return InlineText(At(sublayer, {"kind"})).find("ttention") != std::string::npos;
}

std::string UnitCell(const json& sublayer) {
  const double units = NumberAt(sublayer, {"units"}, 0);
  const double kept = NumberAt(sublayer, {"kept"}, 0);
  return absl::StrFormat("[%s] %g/%g", FormatBar(units > 0 ? kept / units : 0, kMapCells), kept, units);
}

// Layers from the top of the model down, as a stack is drawn.
std::string LayerMap(const json& sublayers) {
  std::map<int, std::pair<std::string, std::string>> layers;
  for (const json& sublayer : sublayers) {
    auto& layer = layers[static_cast<int>(NumberAt(sublayer, {"layer"}, 0))];
    (IsAttention(sublayer) ? layer.first : layer.second) = UnitCell(sublayer);
  }
  TextTable table({"layer", "heads kept", "neurons kept"});
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    table.AddRow({absl::StrCat(layer->first), layer->second.first, layer->second.second});
  }
  return table.ToString();
}

// "seconds" is a number or {measure, search, tune}.
double SecondsOf(const json& sublayer) {
  const json& seconds = At(sublayer, {"seconds"});
  if (seconds.is_number()) return seconds.get<double>();
  double sum = 0;
  if (seconds.is_object()) {
    for (const json& part : seconds) sum += part.is_number() ? part.get<double>() : 0;
  }
  return sum;
}

std::string SublayerTable(const json& sublayers) {
  TextTable table({"sublayer", "layer", "kind", "units", "kept", "time", "solver", "condition", "error"});
  for (const json& sublayer : sublayers) {
    const auto text = [&](const char* key) { return InlineText(At(sublayer, {key})); };
    table.AddRow({text("index"), text("layer"), text("kind"), text("units"), text("kept"),
                  FormatSeconds(SecondsOf(sublayer)), text("solver"), text("condition"),
                  text("reconstruction_error")});
  }
  return table.ToString();
}

std::string Circumstances(const json& report) {
  TextTable table;
  for (const char* key : {"method", "seed", "samples", "tokens", "sequence_length", "device", "precision"}) {
    const std::string text = InlineText(At(report, {key}));
    if (!text.empty()) table.AddRow({key, text});
  }
  if (HasNumber(report, {"peak_memory_bytes"})) {
    table.AddRow({"peak memory", FormatBytes(NumberAt(report, {"peak_memory_bytes"}, 0))});
  }
  const json& seconds = At(report, {"seconds"});
  if (seconds.is_object()) {
    for (const auto& [key, value] : seconds.items()) {
      if (value.is_number()) table.AddRow({absl::StrCat("time ", key), FormatSeconds(value.get<double>())});
    }
  }
  return table.ToString();
}

}  // namespace

std::string ReportHeadline(const json& report) {
  return absl::StrCat(BeforeAfter(report), Agreement(report));
}

std::string ReportText(const json& report) {
  std::string text = ReportHeadline(report);
  const json& sublayers = At(report, {"sublayers"});
  if (sublayers.is_array() && !sublayers.empty()) {
    absl::StrAppend(&text, "\n", LayerMap(sublayers), "\n", SublayerTable(sublayers));
  }
  const std::string circumstances = Circumstances(report);
  if (!circumstances.empty()) absl::StrAppend(&text, "\n", circumstances);
  return text;
}

}  // namespace kprune::client
