// The rules of deploy/prometheus are valid, are tested, and say what to do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <regex>
#include <string>
#include <vector>

#include "tests/observability/prometheus.h"

namespace kprune::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class RulesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasPrometheus()) GTEST_SKIP() << kNoPrometheus;
  }

  static void Accepts(const std::vector<std::string>& arguments) {
    const Finished promtool = Promtool(arguments);
    EXPECT_EQ(promtool.status, 0) << promtool.output << promtool.errors;
  }

  static std::string Rules() { return DeployedFile("prometheus/kprune.rules.yml"); }
  static std::string RulesTests() { return DeployedFile("prometheus/kprune.rules_test.yml"); }
};

// The headings of a Markdown file as the fragments of links to them.
std::vector<std::string> AnchorsOf(const std::string& markdown) {
  static const std::regex heading("(?:^|\n)#+ ([^\n]+)");
  std::vector<std::string> anchors;
  for (std::sregex_iterator match(markdown.begin(), markdown.end(), heading), end; match != end; ++match) {
    std::string anchor;
    for (const char c : (*match)[1].str()) {
      if (c == ' ') anchor += '-';
      if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_')
        anchor += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    anchors.push_back(anchor);
  }
  return anchors;
}

TEST_F(RulesTest, Examples) {
  Accepts({"check", "rules", Rules()});
  Accepts({"check", "config", DeployedFile("prometheus/prometheus.yml")});
  EXPECT_THAT(AnchorsOf("# Of `jobs`\ntext\n## KpruneDown\n"),
              ::testing::ElementsAre("of-jobs", "kprunedown"));
}

TEST_F(RulesTest, AlertsFireAndAreSilentAsTheirUnitTestsSay) { Accepts({"test", "rules", RulesTests()}); }

// The loaded rules, which need no target to be told of.
class AlertsTest : public RulesTest {
 protected:
  void SetUp() override {
    RulesTest::SetUp();
    if (IsSkipped()) return;
    const Prometheus prometheus(folder_.path(), {});
    for (const nlohmann::json& rule : prometheus.Rules()) {
      if (rule.at("type") == "alerting") alerts_.push_back(rule);
    }
    ASSERT_GT(alerts_.size(), 15);
  }

  const TemporaryFolder folder_;
  std::vector<nlohmann::json> alerts_;
};

TEST_F(AlertsTest, EachSaysHowBadItIsAndWhatToDo) {
  const std::string page = "docs/operations.md#";
  const std::vector<std::string> anchors =
      AnchorsOf(ReadFile(std::filesystem::path(KPRUNE_SOURCE_DIR) / "docs/operations.md"));
  for (const nlohmann::json& alert : alerts_) {
    SCOPED_TRACE(alert.at("name"));
    const auto annotation = [&](const char* name) { return alert.at("annotations").value(name, ""); };
    EXPECT_THAT(alert.at("labels").value("severity", ""), AnyOf("critical", "warning"));
    EXPECT_NE(annotation("summary"), "");
    EXPECT_NE(annotation("description"), "");
    ASSERT_THAT(annotation("runbook_url"), StartsWith(page));
    EXPECT_THAT(anchors, ::testing::Contains(annotation("runbook_url").substr(page.size())))
        << "docs/operations.md has no such heading";
  }
}

TEST(OperationsPageTest, EveryLinkWithinThePageLeadsToAHeading) {
  const std::string page = ReadFile(std::filesystem::path(KPRUNE_SOURCE_DIR) / "docs/operations.md");
  const std::vector<std::string> anchors = AnchorsOf(page);
  static const std::regex link(R"(\]\(#([^)]+)\))");
  int links = 0;
  for (std::sregex_iterator match(page.begin(), page.end(), link), end; match != end; ++match, ++links)
    EXPECT_THAT(anchors, ::testing::Contains((*match)[1].str()));
  EXPECT_GT(links, 20);
}

TEST_F(AlertsTest, EachHasAUnitTestInWhichItFiresAndOneInWhichItIsSilent) {
  const std::string tests = ReadFile(RulesTests());
  for (const nlohmann::json& alert : alerts_) {
    const std::string name = alert.at("name");
    EXPECT_THAT(tests, HasSubstr("- alertname: " + name + "\n")) << "never fires";
    EXPECT_TRUE(std::regex_search(
        tests, std::regex("alertname: " + name + ", eval_time: [0-9hm]+, exp_alerts: \\[\\]")))
        << name << " is never silent";
  }
}

}  // namespace
}  // namespace kprune::testing
