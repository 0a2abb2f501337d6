#include "client/evaluation_view.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "client/json_view.h"
#include "client/quantities.h"
#include "client/text_table.h"

namespace kprune::client {
namespace {

using nlohmann::json;

// A figure as people read it: by its name.
std::string Figure(const std::string& key, const json& value) {
  if (!value.is_number()) return InlineText(value);
  const double number = value.get<double>();
  if (key == "flops" || key == "parameters") return FormatCount(number);
  if (key == "file_bytes") return FormatBytes(number);
  return InlineText(value);
}

std::string MetricText(const json& metric) {
  std::string text = InlineText(At(metric, {"value"}));
  if (At(metric, {"interval95"}).is_array()) {
    absl::StrAppend(&text, "  (95 %: ",
                    InlineText(At(metric,
                                  {
                                      "interval95",
                                  })),
                    ")");
  }
  if (HasNumber(metric, {"n"})) absl::StrAppend(&text, "  n ", InlineText(At(metric, {"n"})));
  return text;
}

// A model's figures, nested ones as "agreement kl"; in the file's order of keys.
void Flatten(const json& object, const std::string& prefix,
             std::vector<std::pair<std::string, std::string>>& rows) {
  for (const auto& [key, value] : object.items()) {
    if (value.is_null() || (prefix.empty() && key == "folder")) continue;
    if (value.is_object()) {
      Flatten(value, absl::StrCat(prefix, key, " "), rows);
    } else {
      rows.emplace_back(absl::StrCat(prefix, key), Figure(key, value));
    }
  }
}

// Who made and signed the result; "" of an older one, which does not say.
std::string ProvenanceText(const json& provenance) {
  if (provenance.is_null()) return "";
  // Without a key anybody may have written it.
  const auto text = [&](const char* key) { return absl::CHexEscape(InlineText(At(provenance, {key}))); };
  std::string made = absl::StrCat("the folder holds the ", text("subjects"),
                                  " files that provenance.json lists, and no other; made ", text("finished"));
  if (!At(provenance, {"job"}).is_null()) absl::StrAppend(&made, " by ", text("job"));
  const json& signers = At(provenance, {"signed_by"});
  if (!At(provenance, {"verified_key"}).is_null())
    return absl::StrCat(made, "\nsigned by the key ", text("verified_key"), "\n");
  if (!signers.is_array() || signers.empty()) return absl::StrCat(made, "\nnot signed\n");
  return absl::StrCat(made, "\nsaid to be signed by the key ", absl::CHexEscape(InlineText(signers[0])),
                      "; --public-key FILE checks it\n");
}

}  // namespace

std::string EvaluationText(const json& evaluation) {
  TextTable table;
  const json& metric = At(evaluation, {"metric"});
  for (const char* key : {"task", "metric", "metrics", "flops", "parameters", "file_bytes", "latency_ms"}) {
    const json& value = At(evaluation, {key});
    if (value.is_null()) continue;
    if (std::string(key) == "metric") {
      table.AddRow({InlineText(At(metric, {"name"})), MetricText(metric)});
    } else if (std::string(key) == "metrics") {
      for (const auto& [name, item] : value.items()) {
        if (name != InlineText(At(metric, {"name"}))) table.AddRow({name, InlineText(item)});
      }
    } else {
      table.AddRow({key, Figure(key, value)});
    }
  }
  return table.ToString();
}

std::string ComparisonText(const json& comparison) {
  const json& models = At(comparison, {"models"});
  if (!models.is_array()) return GenericText(comparison);
  std::vector<std::vector<std::pair<std::string, std::string>>> columns;
  std::vector<std::string> header = {""};
  std::vector<std::string> names;
  for (const json& model : models) {
    header.push_back(InlineText(At(model, {"folder"})));
    Flatten(model, "", columns.emplace_back());
    for (const auto& [name, text] : columns.back()) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  TextTable table(header);
  for (const std::string& name : names) {
    std::vector<std::string> cells = {name};
    for (const auto& column : columns) {
      const auto cell =
          std::find_if(column.begin(), column.end(), [&](const auto& row) { return row.first == name; });
      cells.push_back(cell == column.end() ? "" : cell->second);
    }
    table.AddRow(cells);
  }
  return table.ToString();
}

std::string BenchText(const json& bench) {
  const json &models = At(bench, {"models"}), &rows = At(bench, {"rows"});
  if (!models.is_array() || !rows.is_array()) return GenericText(bench);
  TextTable table(
      {"runtime", "batch", "tokens", "model", "median ms", "p10", "p90", "sequences/s", "speed-up"});
  for (const json& row : rows) {
    const json& timed = At(row, {"models"});
    for (size_t i = 0; i < timed.size() && i < models.size(); ++i) {
      const auto text = [&](const char* key) { return InlineText(At(timed[i], {key})); };
      table.AddRow({InlineText(At(row, {"runtime"})), InlineText(At(row, {"batch_size"})),
                    InlineText(At(row, {"tokens"})), InlineText(models[i]), text("median_ms"), text("p10_ms"),
                    text("p90_ms"), text("sequences_per_second"), text("speedup")});
    }
  }
  return absl::StrCat(table.ToString(), InlineText(At(bench, {"device_name"})), ", ",
                      InlineText(At(bench, {"threads"})), " threads, ", InlineText(At(bench, {"repeats"})),
                      " turns\n");
}

std::string LatencyTableText(const json& table) {
  TextTable text(
      {"tokens", "whole model (ms)", "without heads and neurons (ms)", "all heads (ms)", "all neurons (ms)"});
  const double layers = NumberAt(table, {"num_layers"}, 0);
  const json& rows = At(table, {"rows"});
  for (const json& row : rows.is_array() ? rows : json::array()) {
    const auto all = [&](const char* key) {
      const json& ms = At(row, {key});
      return ms.is_array() && !ms.empty() && ms.back().is_number() ? layers * ms.back().get<double>() : 0;
    };
    const double other = NumberAt(row, {"other_ms"}, 0), heads = all("attention_ms"),
                 neurons = all("feed_forward_ms");
    text.AddRow({InlineText(At(row, {"tokens"})), FormatNumber(other + heads + neurons), FormatNumber(other),
                 FormatNumber(heads), FormatNumber(neurons)});
  }
  return absl::StrCat(text.ToString(), "one batch of ", InlineText(At(table, {"batch_size"})), " in ",
                      InlineText(At(table, {"runtime"})), " on ", InlineText(At(table, {"device_name"})),
                      ", ", InlineText(At(table, {"threads"})), " threads\n");
}

std::string VerificationText(const json& verification) {
  const json& several = At(verification, {"models"});
  const json models = several.is_array() ? several : json::array({verification});
  TextTable table({"model", "format", "run or read by", "max difference", "accepted"});
  for (const json& model : models) {
    const json& formats = At(model, {"formats"});
    if (!formats.is_array()) return GenericText(verification);
    for (const json& format : formats) {
      const auto text = [&](const char* key) {
        const json& value = At(format, {key});
        return value.is_null() ? std::string("not run") : InlineText(value);
      };
      const json& folder = At(model, {"folder"});
      table.AddRow({folder.is_null() ? "." : InlineText(folder), text("format"), text("by"),
                    text("max_difference"), text("bound")});
    }
  }
  return absl::StrCat(table.ToString(),
                      "every file has the digest, and every model the size, that the report says\n",
                      ProvenanceText(At(verification, {"provenance"})));
}

std::string PreflightText(const kprune::v1::Preflight& preflight) {
  if (!preflight.not_checked().empty()) return absl::StrCat(preflight.not_checked(), "\n");
  TextTable table;
  table.AddRow({"family", preflight.family()});
  table.AddRow({"task", preflight.task()});
  table.AddRow({"layers", absl::StrCat(preflight.layers())});
  table.AddRow({"samples", absl::StrCat(preflight.samples(), " (", preflight.tokens(), " tokens)")});
  table.AddRow({"sequence length", FormatNumber(preflight.sequence_length())});
  table.AddRow({"FLOPs a sequence", FormatCount(preflight.original_flops())});
  // With --max-drop the budget is not known yet.
  if (preflight.budget_flops() > 0 && preflight.original_flops() > 0) {
    const double share = preflight.budget_flops() / preflight.original_flops();
    table.AddRow(
        {"budget", absl::StrCat(FormatCount(preflight.budget_flops()), " (", FormatPercent(share), ")")});
    table.AddRow({"predicted speed-up", absl::StrCat(FormatNumber(preflight.speedup()), "x")});
  }
  table.AddRow({"predicted time", FormatSeconds(preflight.seconds())});
  table.AddRow({"predicted memory", FormatBytes(static_cast<double>(preflight.peak_memory_bytes()))});
  std::string text = table.ToString();
  for (const std::string& warning : preflight.warnings()) absl::StrAppend(&text, "warning: ", warning, "\n");
  return text;
}

}  // namespace kprune::client
