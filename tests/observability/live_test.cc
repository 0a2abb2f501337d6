// A real Prometheus looks at a live server through whole jobs: every expression of every dashboard and rule
// has data then. A panel that asks for a series that nobody exports, or for a label that has another name,
// fails here by its name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/observability/expressions.h"
#include "tests/support/certificates.h"
#include "tests/support/service.h"

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;

// What cannot have data here, and why. An entry that has data fails, too.
const std::map<std::string, std::string> kWithoutData = {
    {"KpruneAbsent", "absent() has data only where no server is scraped"},
};

// One a second, and as many evaluations of the rules; far more than it takes.
constexpr Seconds kSomeScrapes{60};

// Certificates of one authority for "server" and "client", in the folder.
fs::path WithCertificates(const fs::path& folder) {
  CertificateAuthority authority;
  WriteFile(folder / "ca.pem", authority.certificate());
  for (const char* name : {"server", "client"}) WriteCertifiedKey(folder, name, authority.Issue());
  return folder;
}

// The flags with which a program shows that certificate, and believes those of the authority.
std::vector<std::string> Showing(const fs::path& folder, const std::string& name,
                                 const std::string& ca_flag) {
  return {"--tls-cert", folder / (name + ".pem"), "--tls-key", folder / (name + ".key"),
          ca_flag,      folder / "ca.pem"};
}

std::vector<std::string> With(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// Everything over mutual TLS.
class LiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasPrometheus()) GTEST_SKIP() << kNoPrometheus;
    service_.Start();
    exporter_ = std::make_unique<Process>(
        With({fs::path(KPRUNE_BIN_DIR) / "kprune-exporter", "--servers", service_.address(), "--listen",
              "127.0.0.1:0", "--port-file", folder_ / "exporter-port"},
             Showing(secrets_, "client", "--tls-ca")),
        folder_ / "exporter");
    ASSERT_TRUE(
        Eventually([&] { return !ReadFile(folder_ / "exporter-port").empty() || !exporter_->Running(); }));
    ASSERT_TRUE(exporter_->Running()) << exporter_->Errors();
    const int exporter_port = std::stoi(ReadFile(folder_ / "exporter-port"));
    prometheus_ = std::make_unique<Prometheus>(
        folder_.path(),
        std::map<std::string, std::string>{{"127.0.0.1:9470", service_.metrics_address()},
                                           {"127.0.0.1:9471", "127.0.0.1:" + std::to_string(exporter_port)}});
    // Rates begin with what was there before the first job.
    ASSERT_TRUE(Eventually([&] { return prometheus_->Query("up == 1").size() == 2; }))
        << prometheus_->Query("up") << service_.Log() << exporter_->Errors();
  }

  // Runs a job whose stand-in for a worker does as `fake` says, and fetches the result.
  Finished Submit(const std::string& name, const std::string& fake) {
    fs::create_directories(folder_ / name);
    WriteFile(folder_ / name / "config.json", R"({"model_type": "bert", "fake": )" + fake + "}");
    WriteFile(folder_ / name / "model.safetensors", "not looked at by the stand-in");
    WriteFile(folder_ / "samples.jsonl", R"({"text": "a sentence"})");
    return Client({"submit", folder_ / name, "--data", folder_ / "samples.jsonl", "--output",
                   folder_ / (name + "-pruned")});
  }

  Finished Client(const std::vector<std::string>& arguments) {
    return service_.Client(With(arguments, Showing(secrets_, "client", "--tls-ca")));
  }

  std::vector<Expression> WithoutData(std::vector<Expression> expressions) const {
    std::erase_if(expressions, [&](const Expression& it) { return prometheus_->HasData(it.text); });
    return expressions;
  }

  const TemporaryFolder folder_;
  const fs::path secrets_ = WithCertificates(folder_.path());
  Service service_{KPRUNE_BIN_DIR, folder_.path(),
                   With({"--worker", fs::path(KPRUNE_BIN_DIR) / "fake_worker"},
                        Showing(secrets_, "server", "--tls-client-ca"))};
  std::unique_ptr<Process> exporter_;
  std::unique_ptr<Prometheus> prometheus_;
};

TEST_F(LiveTest, EveryExpressionOfDashboardsAndRulesHasDataAfterOneJob) {
  const Finished succeeded = Submit("good", "{}");
  ASSERT_EQ(succeeded.status, 0) << succeeded.errors << service_.Log();
  // The panels of what goes wrong need something that goes wrong.
  EXPECT_EQ(Submit("bad", R"({"fail": "INTERNAL: on purpose"})").status, 1);
  EXPECT_EQ(Client({"get", "jobs/0000000000000000"}).status, 1);

  std::vector<Expression> expressions = DashboardExpressions();
  const std::vector<Expression> rules = RuleExpressions(*prometheus_);
  expressions.insert(expressions.end(), rules.begin(), rules.end());
  ASSERT_GT(expressions.size(), 120);

  std::vector<Expression> without_data;
  Eventually(
      [&] {
        without_data = WithoutData(expressions);
        return without_data.size() == kWithoutData.size();
      },
      kSomeScrapes);
  for (const Expression& expression : without_data) {
    EXPECT_TRUE(kWithoutData.contains(expression.where))
        << expression.where << " has no data: " << expression.text << "\n"
        << prometheus_->Query(expression.text);
  }
  EXPECT_GE(without_data.size(), kWithoutData.size()) << "an expression of kWithoutData has data";
  for (const nlohmann::json& rule : prometheus_->Rules())
    EXPECT_EQ(rule.at("health"), "ok") << rule.at("name") << rule.value("lastError", "");
}

}  // namespace
}  // namespace kprune::testing
