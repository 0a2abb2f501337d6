// The dashboards of deploy/grafana can be imported as they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/observability/expressions.h"

namespace kprune::testing {
namespace {

using nlohmann::json;

// Whether two panels cover a cell of the grid together.
bool Overlap(const json& a, const json& b) {
  const auto apart = [&](const char* from, const char* size) {
    return a.at(from).get<int>() + a.at(size).get<int>() <= b.at(from).get<int>() ||
           b.at(from).get<int>() + b.at(size).get<int>() <= a.at(from).get<int>();
  };
  return !apart("x", "w") && !apart("y", "h");
}

class DashboardsTest : public ::testing::Test {
 protected:
  DashboardsTest() {
    for (const std::filesystem::path& file : DashboardFiles())
      dashboards_[file.stem()] = json::parse(ReadFile(file));
  }

  std::map<std::string, json> dashboards_;
};

TEST_F(DashboardsTest, Examples) {
  EXPECT_TRUE(
      Overlap(json{{"x", 0}, {"y", 0}, {"w", 8}, {"h", 8}}, json{{"x", 7}, {"y", 7}, {"w", 8}, {"h", 8}}));
  std::vector<std::string> names;
  for (const auto& [name, dashboard] : dashboards_) names.push_back(name);
  EXPECT_THAT(names,
              ::testing::ElementsAre("kprune-devices", "kprune-job", "kprune-overview", "kprune-storage"));
  EXPECT_GT(DashboardExpressions().size(), 90);
}

TEST_F(DashboardsTest, AreWhatMakePyWrites) {
  if (!std::filesystem::exists(KPRUNE_PYTHON))
    GTEST_SKIP() << "there is no " KPRUNE_PYTHON "; scripts/setup.sh makes it";
  const TemporaryFolder folder;
  Process make({KPRUNE_PYTHON, "-B", DeployedFile("grafana/make.py"), "--check"}, folder / "make");
  EXPECT_EQ(make.Wait(), 0) << make.Errors();
}

TEST_F(DashboardsTest, HaveOnePlaceForEachPanel) {
  for (const auto& [name, dashboard] : dashboards_) {
    std::set<int> ids;
    const json& panels = dashboard.at("panels");
    for (size_t i = 0; i < panels.size(); ++i) {
      const json& grid = panels[i].at("gridPos");
      EXPECT_TRUE(ids.insert(panels[i].at("id").get<int>()).second) << name;
      EXPECT_LE(grid.at("x").get<int>() + grid.at("w").get<int>(), 24) << name;
      for (size_t j = 0; j < i; ++j) {
        EXPECT_FALSE(Overlap(grid, panels[j].at("gridPos")))
            << name << ": " << panels[i].at("title") << " and " << panels[j].at("title");
      }
    }
  }
}

TEST_F(DashboardsTest, ExplainEveryPanelAndGiveItsUnit) {
  for (const auto& [name, dashboard] : dashboards_) {
    EXPECT_EQ(dashboard.at("uid"), name);
    for (const json& panel : dashboard.at("panels")) {
      if (panel.at("type") == "row") continue;
      SCOPED_TRACE(name + ": " + panel.at("title").get<std::string>());
      EXPECT_TRUE(panel.at("description").get<std::string>().ends_with("."));
      EXPECT_NE(panel.at("fieldConfig").at("defaults").at("unit"), "");
      EXPECT_FALSE(panel.at("fieldConfig").at("defaults").at("thresholds").at("steps").empty());
    }
  }
}

// Whoever imports them has a Prometheus of another name.
TEST_F(DashboardsTest, NameNoDatasourceButTheChosenOne) {
  const json chosen = {{"type", "prometheus"}, {"uid", "${datasource}"}};
  for (const auto& [name, dashboard] : dashboards_) {
    EXPECT_EQ(dashboard.at("templating").at("list").at(0).at("type"), "datasource") << name;
    for (const json& panel : dashboard.at("panels")) {
      if (panel.at("type") == "row") continue;
      EXPECT_EQ(panel.at("datasource"), chosen) << name << panel.at("title");
      for (const json& target : panel.at("targets")) EXPECT_EQ(target.at("datasource"), chosen) << name;
    }
  }
}

}  // namespace
}  // namespace kprune::testing
