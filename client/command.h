// What every command shares: where it writes, and the flags that several commands have.
#ifndef KPRUNE_CLIENT_COMMAND_H_
#define KPRUNE_CLIENT_COMMAND_H_

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/interrupt.h"
#include "client/job_view.h"
#include "client/progress_display.h"
#include "client/server_flags.h"
#include "nlohmann/json.hpp"

namespace kprune::client {

enum ExitCode : int { kExitOk = 0, kExitFailed = 1, kExitCancelled = 2, kExitUsage = 3 };

// One run of the program. Results go to `out`, everything else to `err`.
struct Session {
  std::ostream& out;
  std::ostream& err;
  Screen screen;  // of `err`
  Interrupt& interrupt;
  std::function<absl::Status()> action;  // set by the command that the command line names
};

enum class TextFormat { kText, kJson };

// A flag whose value is one of a few names. `target` holds the default and must outlive the parsing.
template <typename T>
CLI::Option* AddChoice(CLI::App& app, const std::string& flags, T& target,
                       const std::vector<std::pair<std::string, T>>& choices, const std::string& help) {
  std::vector<std::string> names;
  std::string default_name;
  for (const auto& [name, value] : choices) {
    names.push_back(name);
    if (value == target) default_name = name;
  }
  std::string text = absl::StrCat(help, ": ", absl::StrJoin(names, " | "));
  if (!default_name.empty()) absl::StrAppend(&text, " (default: ", default_name, ")");
  CLI::Option* option = app.add_option_function<std::string>(
      flags,
      [&target, choices](const std::string& given) {
        for (const auto& [name, value] : choices) {
          if (name == given) target = value;
        }
      },
      text);
  return option->check(CLI::Validator(
      [names](const std::string& given) -> std::string {
        if (std::find(names.begin(), names.end(), given) != names.end()) return "";
        return absl::StrCat(given, " is not accepted; accepted are ", absl::StrJoin(names, ", "));
      },
      "", "choice"));
}

// A folder that an option names: an empty text, as an unset shell variable gives it, is a usage error.
inline const CLI::Validator kNamesAFolder(
    [](const std::string& name) -> std::string {
      return name.empty() ? "names no folder; give its path" : "";
    },
    "", "folder");

// Whether MODEL names a source that a server fetches from (JobSpec.model_uri) rather than a folder here. Only
// what has a scheme does: a mistyped folder must not become a download.
inline bool IsModelUri(const std::string& model) {
  return model.find("://") != std::string::npos || model.rfind("hub:", 0) == 0;
}

// MODEL of the commands that read it themselves.
inline const CLI::Validator kModelFolder(
    [](const std::string& model) -> std::string {
      if (!IsModelUri(model)) return CLI::ExistingDirectory(model);
      return model +
             " is fetched by servers only: kprune submit hands it to one; here, name a folder that has the "
             "model";
    },
    "", "folder");

// MODEL of kprune submit.
inline const CLI::Validator kModelFolderOrUri(
    [](const std::string& model) -> std::string {
      if (IsModelUri(model)) return "";
      const std::string problem = CLI::ExistingDirectory(model);
      return problem.empty()
                 ? ""
                 : problem +
                       "; a model that the server fetches is named https://..., s3://... or hub:org/name";
    },
    "", "folder or URI");

// --progress.
void AddProgressFlag(CLI::App& app, ProgressMode& mode);

// --format text|json.
void AddFormatFlag(CLI::App& app, TextFormat& format);

// A list of whole numbers, such as --batch-sizes 1,8,64: put into `object`, which must outlive the parsing,
// under the flag's name ("batch_sizes"). What is too large is the worker's to say.
void AddSizesFlag(CLI::App& app, const std::string& flag, const std::string& help, nlohmann::json& object);

// -o,--format table|wide|json|name.
void AddJobFormatFlag(CLI::App& app, JobFormat& format);

// --data of the commands that read samples: one or more files, whose formats the help names behind `what`.
void AddDataFlag(CLI::App& app, std::vector<std::string>& files, const std::string& what);

// --server, else KPRUNE_SERVER, else the default address; and how the server and this client know each other:
// --tls-ca, --tls-cert, --tls-key, --tls-server-name, --token-file, --insecure.
void AddServerFlags(CLI::App& app, ServerFlags& flags);

// Each adds its commands to `app`; parsing one of them sets `session.action`. `session` must outlive the
// parsing and the action.
void AddRunCommand(CLI::App& app, Session& session);
void AddSubmitCommand(CLI::App& app, Session& session);
void AddJobCommands(CLI::App& app, Session& session);
void AddFetchCommand(CLI::App& app, Session& session);
void AddEvaluationCommands(CLI::App& app, Session& session);
void AddCalibrateCommand(CLI::App& app, Session& session);
void AddReportCommand(CLI::App& app, Session& session);
void AddServerInfoCommand(CLI::App& app, Session& session);
void AddHealthCommand(CLI::App& app, Session& session);
void AddTokenCommand(CLI::App& app, Session& session);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_COMMAND_H_
