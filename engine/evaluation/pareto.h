// report.json of a result of several models: one table from their own reports. docs/report.md describes it.
#ifndef KPRUNE_ENGINE_EVALUATION_PARETO_H_
#define KPRUNE_ENGINE_EVALUATION_PARETO_H_

#include <map>
#include <string>
#include <vector>

#include "kprune/options.h"
#include "nlohmann/json.hpp"

namespace kprune {

struct ReportedModel {
  double keep_flops = 0;
  nlohmann::json report;  // MakeReport's
};

// The report that compares `models`, at least one, each in its BudgetFolder; `outputs` are the digests of all
// files, `total_seconds` those of the whole job. A model is on the Pareto front unless another one costs no
// more FLOPs and agrees no less with the original, and is better in one of the two.
nlohmann::json MakeParetoReport(const std::vector<ReportedModel>& models, const Options& options,
                                const std::map<std::string, std::string>& outputs, double total_seconds);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_PARETO_H_
