// The series that docs/metrics.md lists are those that are served, and promtool has nothing to say against
// them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "tests/exporter/programs.h"

namespace kprune::testing {
namespace {

using ::testing::IsEmpty;

// What is said of a family, in the document or by a server.
struct Series {
  std::string type;
  std::set<std::string> labels;
  bool always = true;  // the document says no condition

  bool operator==(const Series& other) const { return type == other.type && labels == other.labels; }
};
using AllSeries = std::map<std::string, Series>;

void PrintTo(const Series& series, std::ostream* out) {
  *out << series.type;
  for (const std::string& label : series.labels) *out << " " << label;
}

std::set<std::string> MatchesIn(const std::string& text, const std::string& pattern) {
  std::set<std::string> found;
  const std::regex regex(pattern);
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match)
    found.insert((*match)[1].str());
  return found;
}

// The rows "| `name` | type | `label`, `label` | meaning |" below a heading. A meaning that begins with
// "Only" is of a series that is not always there.
AllSeries Documented(const std::string& heading) {
  const std::string text = ReadFile(std::filesystem::path(KPRUNE_SOURCE_DIR) / "docs/metrics.md");
  const size_t begin = text.find("\n## " + heading + "\n");
  if (begin == std::string::npos) return {};
  std::istringstream lines(text.substr(begin + 1, text.find("\n## ", begin + 1) - begin - 1));
  AllSeries series;
  const std::regex row(R"(^\| `([a-z_]+)` \| (counter|gauge|histogram) \|([^|]*)\| (.+) \|$)");
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (!std::regex_match(line, match, row)) continue;
    series[match[1]] = {match[2], MatchesIn(match[3], "`([a-z_]+)`"), match[4].str().rfind("Only ", 0) != 0};
  }
  return series;
}

// Those of our names; the library that serves has some of its own.
AllSeries Served(const std::string& page) {
  AllSeries series;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, std::regex(R"(# TYPE ((kprune|process)_\w+) (\w+))")))
      series[match[1]].type = match[3];
    if (!std::regex_match(line, match, std::regex(R"((\w+?)(_bucket|_sum|_count)?(\{.*\})? \S+)"))) continue;
    const auto family = series.find(match[1].str() + (series.count(match[1]) != 0 ? "" : match[2].str()));
    if (family == series.end()) continue;
    for (const std::string& label : MatchesIn(match[3], R"re((\w+)=")re")) {
      if (label != "le") family->second.labels.insert(label);
    }
  }
  return series;
}

void ExpectDocumented(const AllSeries& served, const AllSeries& documented) {
  ASSERT_FALSE(documented.empty());
  for (const auto& [name, series] : served) {
    const auto row = documented.find(name);
    if (row == documented.end()) {
      ADD_FAILURE() << name << " is not in docs/metrics.md";
      continue;
    }
    EXPECT_EQ(row->second, series) << name;
  }
  for (const auto& [name, series] : documented) {
    EXPECT_TRUE(served.count(name) == 1 || !series.always) << name << " is not served";
  }
}

// What `promtool check metrics` says against a page.
std::string Complaints(const std::string& page, const TemporaryFolder& folder) {
  WriteFile(folder / "page", page);
  Process promtool({"/bin/sh", "-c", KPRUNE_PROMTOOL " check metrics < " + (folder / "page").string()},
                   folder / "promtool");
  const std::optional<int> status = promtool.Wait();
  const std::string said = promtool.Output() + promtool.Errors();
  return status == 0 || !said.empty() ? said : "promtool ended with another status than 0";
}

// A server that has run a job, and an exporter beside it.
class SeriesTest : public ::testing::Test {
 protected:
  SeriesTest() {
    service_.Start();
    std::vector<std::string> arguments = SubmitArguments(folder_ / "job", {{"sublayers", 2}});
    arguments.insert(arguments.end(), {"--output", folder_ / "result"});
    const Finished done = service_.Client(arguments);
    EXPECT_EQ(done.status, 0) << done.errors << service_.Log();
    // The worker's exit may be counted just after the client has heard of the job's end.
    EXPECT_TRUE(Eventually([&] { return Value("kprune_worker_exits_total{reason=\"succeeded\"}") == 1; }));
    std::filesystem::create_directories(folder_ / "exporter");
    exporter_.emplace(folder_ / "exporter", std::vector<std::string>{"--servers", service_.address()});
    page_ = service_.Metrics();
  }

  // Of the server's series with exactly these labels; -1 where there is none.
  double Value(const std::string& series) {
    std::istringstream lines(service_.Metrics());
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind(series + " ", 0) == 0) return std::stod(line.substr(series.size() + 1));
    }
    return -1;
  }

  TemporaryFolder folder_;
  Service service_{KPRUNE_BIN_DIR, folder_.path(), WithFakeWorker()};
  std::optional<ExporterProgram> exporter_;
  std::string page_;
};

TEST_F(SeriesTest, ExamplesAJobLeavesItsTraces) {
  EXPECT_EQ(Value("kprune_jobs{state=\"SUCCEEDED\"}"), 1);
  EXPECT_EQ(Value("kprune_jobs_finished_total{code=\"OK\",state=\"SUCCEEDED\"}"), 1);
  EXPECT_EQ(Value("kprune_job_seconds_count{state=\"SUCCEEDED\"}"), 1);
  EXPECT_EQ(Value("kprune_queue_wait_seconds_count"), 1);
  EXPECT_EQ(Value("kprune_job_attempts_total"), 1);
  EXPECT_EQ(Value("kprune_worker_restarts_total"), 0);
  EXPECT_EQ(Value("kprune_phase_seconds_sum{phase=\"tune\"}"), 1)
      << "the fake worker says half a second twice";
  EXPECT_EQ(Value("kprune_sublayer_seconds_count{kind=\"attention\"}"), 1);
  EXPECT_EQ(Value("kprune_sublayers_solved_total{solver=\"cholesky\"}"), 2);
  EXPECT_EQ(Value("kprune_flops_removed_ratio_sum"), 0.5);
  EXPECT_EQ(Value("kprune_parameters_removed_ratio_count"), 1);
  EXPECT_EQ(Value("kprune_agreement_ratio_sum{measure=\"top1\"}"), 0.96);
  EXPECT_GE(Value("kprune_artifacts"), 0);
  EXPECT_GT(Value("kprune_disk_free_bytes"), 0);
  EXPECT_GT(Value("kprune_database_commit_seconds_count"), 5);
  EXPECT_EQ(Value("kprune_device_busy{device=\"cpu\"}"), 0);
  EXPECT_GT(Value("kprune_device_memory_used_bytes{device=\"cpu\"}"), 0);
  EXPECT_GT(Value("kprune_transfer_bytes_total{direction=\"download\"}"), 100);
  EXPECT_EQ(Value("kprune_rpc_seconds_count{code=\"OK\",method=\"kprune.v1.JobService/CreateJob\"}"), 1);
  EXPECT_GT(Value("process_cpu_seconds_total"), 0);
}

TEST_F(SeriesTest, TheDocumentListsWhatIsServedAndNothingElse) {
  ExpectDocumented(Served(page_), Documented("Of a server"));
  ExpectDocumented(Served(exporter_->Scrape()), Documented("Of the exporter"));
}

TEST_F(SeriesTest, PromtoolHasNothingToSay) {
  if (!std::filesystem::exists(KPRUNE_PROMTOOL))
    GTEST_SKIP() << "there is no " << KPRUNE_PROMTOOL << "; scripts/setup.sh fetches it";
  EXPECT_THAT(Complaints(page_, folder_), IsEmpty());
  EXPECT_THAT(Complaints(exporter_->Scrape(), folder_), IsEmpty());
  EXPECT_THAT(Complaints("# TYPE kprune_wrong counter\nkprune_wrong 1\n", folder_),
              ::testing::Not(IsEmpty()));
}

}  // namespace
}  // namespace kprune::testing
