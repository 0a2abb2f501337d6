// The command line of the programs that serve. Every flag has an environment variable, and wins over it.
#ifndef KPRUNE_SERVER_COMMAND_LINE_H_
#define KPRUNE_SERVER_COMMAND_LINE_H_

#include <CLI/CLI.hpp>
#include <cctype>
#include <optional>
#include <string>
#include <vector>

#include "server/log.h"

namespace kprune {

// "KPRUNE_" and "data-dir" make KPRUNE_DATA_DIR.
inline std::string EnvironmentName(std::string prefix, const std::string& flag) {
  for (const char c : flag)
    prefix += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return prefix;
}

template <typename T>
CLI::Option* AddEnvironmentFlag(CLI::App& app, const std::string& prefix, const std::string& name, T& value,
                                const std::string& help) {
  // The last one counts where a flag is given twice, so that a wrapper's defaults can be overridden.
  return app.add_option("--" + name, value, help)
      ->envname(EnvironmentName(prefix, name))
      ->capture_default_str()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

inline void AddLogFormatFlag(CLI::App& app, const std::string& prefix, std::string& format) {
  AddEnvironmentFlag(app, prefix, "log-format", format,
                     "One line an event on standard error, as text or json")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kLogFormats), std::end(kLogFormats))));
}

inline constexpr int kExitUsage = 3;

// Nothing where all is well. Else the program is done, with this exit status: --help and --version (0), or a
// usage error, which is printed.
inline std::optional<int> ParseCommandLine(CLI::App& app, int argc, const char* const* argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  return std::nullopt;
}

}  // namespace kprune

#endif  // KPRUNE_SERVER_COMMAND_LINE_H_
