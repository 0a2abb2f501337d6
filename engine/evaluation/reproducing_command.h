// The command that gives a result anew. Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_REPRODUCING_COMMAND_H_
#define KPRUNE_ENGINE_EVALUATION_REPRODUCING_COMMAND_H_

#include <string>
#include <string_view>
#include <vector>

#include "nlohmann/json.hpp"

namespace kprune {

// `text` as one word of a POSIX shell, whatever it holds.
std::string ShellWord(std::string_view text);

// The names of a report's "inputs" below `folder` ("data", "eval"), in alphabetical order.
std::vector<std::string> InputNames(const nlohmann::json& report, std::string_view folder);

// Whether the option `name` of a report has the value that it has where nothing is given.
bool IsDefaultOption(const nlohmann::json& report, const std::string& name);

// `kprune run MODEL --data ... --output OUTPUT` with every option that is not at its default, for a POSIX
// shell, an option a line. The flag of an option has the option's name, without a unit.
std::string ReproducingCommand(const nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_REPRODUCING_COMMAND_H_
