// Hugging Face transformers on this machine, two versions of it, as consumers of what kprune writes:
// transformers_consumer.py in the Python environment that `scripts/setup.sh --consumers` makes.
#ifndef KPRUNE_TESTS_SUPPORT_TRANSFORMERS_H_
#define KPRUNE_TESTS_SUPPORT_TRANSFORMERS_H_

#include <filesystem>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace kprune::testing {

// Not thread-safe: calls share the folder.
class Transformers {
 public:
  // `major` is the version, 4 or 5. `folder` takes logs and caches and must outlive this.
  Transformers(int major, std::filesystem::path folder);

  int major() const { return major_; }

  // "" where it is installed, else a sentence that says what to do: the reason to skip.
  std::string Missing() const;

  // What `transformers_consumer.py ARGUMENTS...` prints. Throws std::runtime_error with what it complained of
  // where it fails.
  nlohmann::json Run(const std::vector<std::string>& arguments);

 private:
  const std::filesystem::path python_, newer_, folder_;
  const int major_;
  int runs_ = 0;
};

}  // namespace kprune::testing

#endif  // KPRUNE_TESTS_SUPPORT_TRANSFORMERS_H_
