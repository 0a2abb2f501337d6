#include "tests/support/model_host.h"

#include <sstream>
#include <stdexcept>

namespace kprune::testing {
namespace {

namespace fs = std::filesystem;

void Run(const std::vector<std::string>& command, const fs::path& log) {
  Process process(command, log);
  if (process.Wait() != 0) throw std::runtime_error(command[0] + " failed: " + process.Errors());
}

}  // namespace

ModelHost::ModelHost(const fs::path& folder) : folder_(folder) {
  fs::create_directories(root());
  Run({"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-keyout", folder_ / "host.key", "-out", folder_ / "host.crt", "-days", "2", "-subj", "/CN=model host",
       "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"},
      folder_ / "openssl");
  process_ = std::make_unique<Process>(
      std::vector<std::string>{"/usr/bin/python3", KPRUNE_MODEL_HOST, "--root", root(), "--certificate",
                               folder_ / "host.crt", "--key", folder_ / "host.key", "--port-file",
                               folder_ / "host-port"},
      folder_ / "host");
  const auto port = [&] { return ReadFile(folder_ / "host-port"); };
  if (!Eventually([&] { return !port().empty() || !process_->Running(); }) || port().empty())
    throw std::runtime_error("the model host did not come up: " + process_->Errors());
  port_ = port();
}

void ModelHost::Write(const std::string& name, const std::string& bytes) const {
  fs::create_directories((root() / name).parent_path());
  WriteFile(root() / name, bytes);
}

void ModelHost::SetRules(const std::string& json) const {
  WriteFile(root() / "rules.tmp", json);
  fs::rename(root() / "rules.tmp", root() / "rules.json");
}

std::vector<std::string> ModelHost::Requests(const std::string& ending) const {
  std::vector<std::string> requests;
  std::istringstream lines(ReadFile(root() / "requests.log"));
  for (std::string line; std::getline(lines, line);) {
    if (line.substr(0, line.find(' ')).ends_with(ending)) requests.push_back(line);
  }
  return requests;
}

}  // namespace kprune::testing
