#include "engine/evaluation/pareto.h"

#include <algorithm>

#include "engine/evaluation/report.h"
#include "engine/formats/options_json.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

using nlohmann::json;

// The first of these that an agreement has is the one that is compared.
constexpr const char* kAgreements[] = {"top1", "cosine", "spearman"};

const char* AgreementName(const json& agreement) {
  const auto* const found = std::find_if(std::begin(kAgreements), std::end(kAgreements),
                                         [&](const char* name) { return agreement.contains(name); });
  return found == std::end(kAgreements) ? "" : *found;
}

json ValueOrNull(const json& object, const char* name) {
  return object.is_object() ? object.value(name, json()) : json();
}

json Row(const ReportedModel& model) {
  const json& report = model.report;
  const json &agreement = report["agreement"], &metric = report["metric"];
  return {{"folder", BudgetFolder(model.keep_flops)},
          {"keep_flops", model.keep_flops},
          {"flops", report["flops"]["kept"]},
          {"parameters", report["parameters"]["kept"]},
          {"file_bytes", report["file_bytes"]["kept"]},
          {"latency_ms", report["latency"]["pruned_ms"]},
          {"agreement", ValueOrNull(agreement, AgreementName(agreement))},
          {"kl", ValueOrNull(agreement, "kl")},
          {"metric", ValueOrNull(metric, "pruned")},
          {"difference", ValueOrNull(metric, "difference")}};
}

json OriginalRow(const json& report) {
  return {{"flops", report["flops"]["original"]},
          {"parameters", report["parameters"]["original"]},
          {"file_bytes", report["file_bytes"]["original"]},
          {"latency_ms", report["latency"]["original_ms"]},
          {"metric", ValueOrNull(report["metric"], "original")}};
}

bool Beats(const json& a, const json& b) {
  return a["flops"] <= b["flops"] && a["agreement"] >= b["agreement"] &&
         (a["flops"] < b["flops"] || a["agreement"] > b["agreement"]);
}

}  // namespace

json MakeParetoReport(const std::vector<ReportedModel>& models, const Options& options,
                      const std::map<std::string, std::string>& outputs, double total_seconds) {
  const json& any = models.front().report;
  json rows = json::array();
  for (const ReportedModel& model : models) rows.push_back(Row(model));
  for (json& row : rows) {
    row["pareto"] = row["agreement"].is_null()
                        ? json()
                        : json(std::none_of(rows.begin(), rows.end(),
                                            [&](const json& other) { return Beats(other, row); }));
  }
  const json &agreement = any["agreement"], &metric = any["metric"];
  json report = {{"schema_version", kReportSchemaVersion},
                 {"options", ToJson(options)},
                 {"models", rows},
                 {"original", OriginalRow(any)},
                 {"agreement", json()},
                 {"metric", json()},
                 {"peak_memory_bytes", models.back().report["peak_memory_bytes"]},
                 {"seconds", {{"total", total_seconds}}},
                 {"outputs", outputs}};
  for (const char* shared : {"method", "family", "task", "seed", "samples", "tokens", "sequence_length",
                             "device", "precision", "versions", "inputs"}) {
    report[shared] = any[shared];
  }
  if (!agreement.is_null()) report["agreement"] = {{"name", AgreementName(agreement)}, {"n", agreement["n"]}};
  if (!metric.is_null()) report["metric"] = {{"name", metric["name"]}, {"n", metric["n"]}};
  return report;
}

}  // namespace kprune
