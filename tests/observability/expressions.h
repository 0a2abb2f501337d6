// Every expression that the dashboards and rules in deploy/ ask Prometheus, in a form that always has data
// where its series have.
#ifndef KPRUNE_TESTS_OBSERVABILITY_EXPRESSIONS_H_
#define KPRUNE_TESTS_OBSERVABILITY_EXPRESSIONS_H_

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "tests/observability/prometheus.h"

namespace kprune::testing {

struct Expression {
  std::string where;  // "kprune-overview.json, Waiting", or a rule's name
  std::string text;
};

// deploy/grafana/*.json, by name.
inline std::vector<std::filesystem::path> DashboardFiles() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(DeployedFile("grafana"))) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// What Grafana makes of its variables; five minutes hold all that a test does.
inline std::string WithoutVariables(const std::string& expression) {
  return absl::StrReplaceAll(
      expression, {{"$instance", ".*"}, {"$window", "5m"}, {"$__range", "5m"}, {"$__rate_interval", "5m"}});
}

// A comparison has no data where it does not hold, so an alert that is silent has none: with `bool` it is 0
// or 1 instead. Prometheus writes spaces around operators and none within selectors.
inline std::string WithoutFilters(const std::string& expression) {
  static const std::regex comparison(R"( (==|!=|>=|<=|>|<) )");
  return std::regex_replace(expression, comparison, " $1 bool ");
}

inline std::vector<Expression> DashboardExpressions() {
  std::vector<Expression> expressions;
  for (const std::filesystem::path& file : DashboardFiles()) {
    const nlohmann::json dashboard = nlohmann::json::parse(ReadFile(file));
    for (const nlohmann::json& panel : dashboard.at("panels")) {
      for (const nlohmann::json& target : panel.value("targets", nlohmann::json::array())) {
        expressions.push_back({file.filename().string() + ", " + panel.at("title").get<std::string>(),
                               WithoutVariables(target.at("expr"))});
      }
    }
  }
  return expressions;
}

inline std::vector<Expression> RuleExpressions(const Prometheus& prometheus) {
  std::vector<Expression> expressions;
  for (const nlohmann::json& rule : prometheus.Rules())
    expressions.push_back({rule.at("name"), WithoutFilters(rule.at("query"))});
  return expressions;
}

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_OBSERVABILITY_EXPRESSIONS_H_
