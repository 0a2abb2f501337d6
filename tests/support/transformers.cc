#include "tests/support/transformers.h"

#include <stdexcept>

#include "tests/support/process.h"

namespace kprune::testing {

namespace fs = std::filesystem;

Transformers::Transformers(int major, fs::path folder)
    : python_(fs::path(KPRUNE_CONSUMERS_DIR) / "venv/bin/python"),
      newer_(fs::path(KPRUNE_CONSUMERS_DIR) / "transformers5"),
      folder_(std::move(folder)),
      major_(major) {}

std::string Transformers::Missing() const {
  for (const fs::path& path : {python_, newer_}) {
    if (!fs::exists(path))
      return "there is no " + path.string() + "; `scripts/setup.sh --consumers` makes it";
  }
  return "";
}

nlohmann::json Transformers::Run(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {python_.string(), KPRUNE_TRANSFORMERS_CONSUMER};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const fs::path log = folder_ / ("transformers" + std::to_string(major_) + "-" + std::to_string(++runs_));
  Process process(command, log,
                  {{"PYTHONPATH", major_ == 5 ? newer_.string() : ""},
                   {"HF_HOME", (folder_ / "hf").string()},  // copies of the folders' code, too
                   {"HF_HUB_OFFLINE", "1"},
                   {"OMP_NUM_THREADS", "1"},
                   {"TOKENIZERS_PARALLELISM", "false"}});
  const std::optional<int> status = process.Wait();
  if (status != 0) throw std::runtime_error(arguments.at(0) + " failed or did not end: " + process.Errors());
  return nlohmann::json::parse(process.Output());
}

}  // namespace kprune::testing
