#include "client/report_view.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
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

// " (-2.98 to +0.46)": the 95 % interval of a metric's difference, in points; "" where there is none.
std::string PointsInterval(const json& metric) {
  const json& interval = At(metric, {"difference", "interval95"});
  if (!interval.is_array() || interval.size() != 2 || !interval[0].is_number() || !interval[1].is_number())
    return "";
  return absl::StrFormat(" (%+.2f to %+.2f)", 100 * interval[0].get<double>(),
                         100 * interval[1].get<double>());
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
    table.AddRow({InlineText(At(metric, {"name"})), FormatNumber(original), FormatNumber(pruned),
                  absl::StrFormat("%+.2f points%s on %s", (pruned - original) * 100, PointsInterval(metric),
                                  InlineText(At(metric, {"n"})))});
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

// What the model was chosen by, where that was its loss.
std::string MaxDrop(const json& report) {
  const json& drop = At(report, {"max_drop"});
  const json& tried = At(drop, {"tried"});
  if (!tried.is_array() || tried.empty()) return "";
  // The one that was taken: the smallest that passed.
  const double points = NumberAt(drop, {"points"}, 0);
  const json* taken = nullptr;
  for (const json& trial : tried) {
    const bool smaller =
        taken == nullptr || NumberAt(trial, {"keep_flops"}, 1) < NumberAt(*taken, {"keep_flops"}, 1);
    if (NumberAt(trial, {"upper"}, points + 1) <= points && smaller) taken = &trial;
  }
  if (taken == nullptr) return "";
  return absl::StrFormat(
      "drop of at most %g points: %s dropped by %.2f, at most %.2f (95 %%, %s, %s samples); smallest of %d "
      "tried\n",
      points, InlineText(At(drop, {"judged_by"})), NumberAt(*taken, {"drop"}, 0),
      NumberAt(*taken, {"upper"}, 0), InlineText(At(drop, {"bound"})), InlineText(At(drop, {"samples"})),
      tried.size());
}

// What the model was to take, and takes by the table.
std::string LatencyBudget(const json& report) {
  const json& budget = At(report, {"latency_budget"});
  if (!budget.is_object()) return "";
  return absl::StrFormat(
      "latency budget %g ms: %.3g ms predicted (original %.3g) for %s x %.4g tokens in %s on %s\n",
      NumberAt(budget, {"target_ms"}, 0), NumberAt(budget, {"predicted_ms"}, 0),
      NumberAt(budget, {"original_ms"}, 0), InlineText(At(budget, {"batch_size"})),
      NumberAt(budget, {"tokens"}, 0), InlineText(At(budget, {"runtime"})),
      InlineText(At(budget, {"device_name"})));
}

// Where the model is not all that it was to become.
std::string EndedEarly(const json& report) {
  const json& part = At(report, {"ended_early"});
  if (!part.is_object()) return "";
  return absl::StrCat("ended early: ", InlineText(At(part, {"pruned_sublayers"})), " of ",
                      InlineText(At(part, {"sublayers"})), " sublayers are pruned\n");
}

// A result of several models: the original and each of them.
std::string ModelsTable(const json& report) {
  const json& metric = At(report, {"metric"});
  const json& agreement = At(report, {"agreement"});
  std::vector<std::string> header = {"", "FLOPs", "parameters", "file size", "latency (ms)"};
  const bool judged = agreement.is_object(), labelled = metric.is_object();
  const json& models = At(report, {"models"});
  const bool has_kl =
      std::any_of(models.begin(), models.end(), [](const json& model) { return HasNumber(model, {"kl"}); });
  if (judged) header.push_back(InlineText(At(agreement, {"name"})));
  if (has_kl) header.push_back("KL");
  if (labelled) header.push_back(absl::StrCat(InlineText(At(metric, {"name"})), " (95 %)"));
  if (judged) header.push_back("Pareto");
  TextTable table(header);
  const auto add = [&](const std::string& name, const json& row) {
    std::vector<std::string> cells = {
        name, FormatCount(NumberAt(row, {"flops"}, 0)), FormatCount(NumberAt(row, {"parameters"}, 0)),
        FormatBytes(NumberAt(row, {"file_bytes"}, 0)), FormatNumber(NumberAt(row, {"latency_ms"}, 0))};
    if (judged) cells.push_back(InlineText(At(row, {"agreement"})));
    if (has_kl) cells.push_back(InlineText(At(row, {"kl"})));
    if (labelled) {
      cells.push_back(InlineText(At(row, {"metric"})));
      const std::string interval = PointsInterval(row);
      if (!interval.empty()) absl::StrAppend(&cells.back(), interval);
    }
    if (judged) cells.push_back(At(row, {"pareto"}).is_boolean() && At(row, {"pareto"}) ? "*" : "");
    table.AddRow(cells);
  };
  add("original", At(report, {"original"}));
  for (const json& model : models) add(InlineText(At(model, {"folder"})), model);
  std::string text = table.ToString();
  if (judged) {
    absl::StrAppend(&text, InlineText(At(agreement, {"name"})), ": agreement with the original on ",
                    InlineText(At(agreement, {"n"})),
                    " samples not used for pruning; *: no other model costs no more and agrees no less\n");
  }
  if (labelled) {
    absl::StrAppend(&text, InlineText(At(metric, {"name"})), ": on ", InlineText(At(metric, {"n"})),
                    " labelled samples; in brackets the points gained or lost against the original\n");
  }
  return text;
}

bool HasModels(const json& report) {
  const json& models = At(report, {"models"});
  return models.is_array() && !models.empty();
}

std::string LossText(const json& loss) { return loss.is_null() ? "not finite" : InlineText(loss); }

// Which lambda_rep and mu the run chose, and from what.
std::string Chosen(const json& report) {
  const json& chosen = At(report, {"chosen"});
  const json& tried = At(chosen, {"tried"});
  if (!tried.is_array() || tried.empty()) return "";
  const std::string by = InlineText(At(chosen, {"judged_by"})) == "kl" ? "KL" : "squared error";
  std::vector<std::string> others;
  std::string own;
  for (const json& entry : tried) {
    const std::string loss = LossText(At(entry, {"loss"}));
    const bool is_chosen =
        At(entry, {"lambda_rep"}) == At(chosen, {"lambda_rep"}) && At(entry, {"mu"}) == At(chosen, {"mu"});
    if (is_chosen) {
      own = loss;
    } else {
      others.push_back(
          absl::StrCat(InlineText(At(entry, {"lambda_rep"})), "/", InlineText(At(entry, {"mu"})), " ", loss));
    }
  }
  return absl::StrCat(
      "lambda_rep ", InlineText(At(chosen, {"lambda_rep"})), " and mu ", InlineText(At(chosen, {"mu"})),
      " chosen by ", by, " on ", InlineText(At(chosen, {"samples"})), " samples: ", own,
      others.empty() ? "" : absl::StrCat(" (others: ", absl::StrJoin(others, ", "), ")"), "\n");
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
  struct Cells {
    std::string layers, heads, neurons;
  };
  std::map<int, Cells> layers;
  for (const json& sublayer : sublayers) {
    const auto first = static_cast<int>(NumberAt(sublayer, {"layer"}, 0));
    const auto count = static_cast<int>(NumberAt(sublayer, {"layers"}, 1));
    Cells& cells = layers[first];
    cells.layers = count > 1 ? absl::StrCat(first, " to ", first + count - 1) : absl::StrCat(first);
    (IsAttention(sublayer) ? cells.heads : cells.neurons) = UnitCell(sublayer);
  }
  TextTable table({"layer", "heads kept", "neurons kept"});
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    table.AddRow({layer->second.layers, layer->second.heads, layer->second.neurons});
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
  if (HasModels(report)) return ModelsTable(report);
  return absl::StrCat(EndedEarly(report), BeforeAfter(report), Chosen(report), Agreement(report),
                      MaxDrop(report), LatencyBudget(report));
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
