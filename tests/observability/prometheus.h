// A real Prometheus with the configuration that is shipped (deploy/prometheus), only more impatient, on a
// loopback port; asked over its HTTP API. And promtool.
#ifndef KPRUNE_TESTS_OBSERVABILITY_PROMETHEUS_H_
#define KPRUNE_TESTS_OBSERVABILITY_PROMETHEUS_H_

#include <cctype>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/support/process.h"
#include "tests/support/service.h"

namespace kprune::testing {

inline std::filesystem::path DeployedFile(const std::string& name) {
  return std::filesystem::path(KPRUNE_SOURCE_DIR) / "deploy" / name;
}

// Whether scripts/setup.sh has fetched it; else tests are skipped and say kNoPrometheus.
inline bool HasPrometheus() {
  return std::filesystem::exists(std::filesystem::path(KPRUNE_PROMETHEUS_DIR) / "prometheus");
}
inline constexpr char kNoPrometheus[] = "there is no " KPRUNE_PROMETHEUS_DIR "; scripts/setup.sh makes it";

// Runs promtool with `arguments` to its end.
inline Finished Promtool(const std::vector<std::string>& arguments) {
  const TemporaryFolder folder;
  std::vector<std::string> command = {std::filesystem::path(KPRUNE_PROMETHEUS_DIR) / "promtool"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  Process promtool(command, folder / "promtool");
  const int status = promtool.Wait().value_or(-1);
  return {status, promtool.Output(), promtool.Errors()};
}

// Not thread-safe. Throws std::runtime_error where it does not come up or does not understand.
class Prometheus {
 public:
  // `targets`: the address in prometheus.yml -> where that target is now. `folder` must outlive this.
  Prometheus(const std::filesystem::path& folder, const std::map<std::string, std::string>& targets) {
    WriteFile(folder / "prometheus.yml", Configuration(targets));
    process_ = std::make_unique<Process>(
        std::vector<std::string>{std::filesystem::path(KPRUNE_PROMETHEUS_DIR) / "prometheus",
                                 "--config.file=" + (folder / "prometheus.yml").string(),
                                 "--storage.tsdb.path=" + (folder / "tsdb").string(),
                                 "--web.listen-address=127.0.0.1:0"},
        folder / "prometheus");
    if (!Eventually([&] { return Serves() || !process_->Running(); }) || !Serves())
      throw std::runtime_error("Prometheus did not come up:\n" + process_->Errors());
  }

  // The samples of an expression now.
  nlohmann::json Query(const std::string& expression) const {
    return Ask("/api/v1/query?query=" + Escaped(expression)).at("result");
  }

  // Whether there is any, and one of them is a number.
  bool HasData(const std::string& expression) const {
    for (const nlohmann::json& sample : Query(expression)) {
      if (std::isfinite(std::stod(sample.at("value").at(1).get<std::string>()))) return true;
    }
    return false;
  }

  // Every rule as it was loaded: type, name, query, labels, annotations, health.
  std::vector<nlohmann::json> Rules() const {
    std::vector<nlohmann::json> rules;
    const nlohmann::json loaded = Ask("/api/v1/rules");
    for (const nlohmann::json& group : loaded.at("groups"))
      rules.insert(rules.end(), group.at("rules").begin(), group.at("rules").end());
    return rules;
  }

 private:
  static std::string Configuration(const std::map<std::string, std::string>& targets) {
    std::map<std::string, std::string> replacements = targets;
    replacements["15s"] = "1s";
    replacements["kprune.rules.yml"] = DeployedFile("prometheus/kprune.rules.yml");
    const std::string text = ReadFile(DeployedFile("prometheus/prometheus.yml"));
    for (const auto& [shipped, here] : replacements) {
      if (text.find(shipped) == std::string::npos)
        throw std::runtime_error("prometheus.yml no longer says " + shipped);
    }
    return absl::StrReplaceAll(text, replacements);
  }

  static std::string Escaped(const std::string& text) {
    std::string escaped;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      escaped += std::isalnum(byte) ? std::string(1, c) : absl::StrCat("%", absl::Hex(byte, absl::kZeroPad2));
    }
    return escaped;
  }

  // Finds the port in the log, and whether it answers there.
  bool Serves() {
    static const std::string kBefore = R"(msg="Listening on" address=)";
    const std::string log = process_->Errors();
    const size_t at = log.find(kBefore);
    if (at == std::string::npos) return false;
    const size_t begin = at + kBefore.size();
    address_ = log.substr(begin, log.find_first_of(" \n", begin) - begin);
    return HttpGet(address_, "/-/ready").find("Ready") != std::string::npos;
  }

  nlohmann::json Ask(const std::string& path) const {
    const std::string text = HttpGet(address_, path);
    const nlohmann::json reply = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (reply.is_discarded() || reply.value("status", "") != "success")
      throw std::runtime_error("Prometheus answers to " + path + ": " + text + "\n" + process_->Errors());
    return reply.at("data");
  }

  std::unique_ptr<Process> process_;
  std::string address_;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_OBSERVABILITY_PROMETHEUS_H_
