#include "client/app.h"

#include <iostream>

#include "client/command.h"

namespace kprune::client {
namespace {

int UsageError(const CLI::App& app, const CLI::ParseError& error, std::ostream& err) {
  std::string command = "kprune";
  for (const CLI::App* sub : app.get_subcommands()) absl::StrAppend(&command, " ", sub->get_name());
  std::string sentence = error.what();
  while (!sentence.empty() && (sentence.back() == '\n' || sentence.back() == '.')) sentence.pop_back();
  err << "kprune: " << sentence << "; see " << command << " --help\n";
  return kExitUsage;
}

int ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  return absl::IsCancelled(status) ? kExitCancelled : kExitFailed;
}

void AddCommands(CLI::App& app, Session& session) {
  app.set_version_flag("--version", "kprune " KPRUNE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 cancelled, 3 the command line is wrong.\n"
      "`kprune COMMAND --help` shows a command's flags and an example.");
  AddRunCommand(app, session);
  AddSubmitCommand(app, session);
  AddJobCommands(app, session);
  AddFetchCommand(app, session);
  AddEvaluationCommands(app, session);
  AddCalibrateCommand(app, session);
  AddReportCommand(app, session);
  AddServerInfoCommand(app, session);
  AddHealthCommand(app, session);
  AddTokenCommand(app, session);
}

// Results that nobody can read are a failure: a full disk shows only when the last bytes are written.
int FinishOutput(Session& session, int exit_code) {
  session.out << std::flush;
  if (session.out || exit_code != kExitOk) return exit_code;
  session.err << "kprune: cannot write standard output; is its disk full?" << std::endl;
  return kExitFailed;
}

}  // namespace

int RunApp(int argc, char** argv) {
  Interrupt interrupt;
  Session session{std::cout, std::cerr, Screen::OfStandardError(), interrupt, nullptr};
  CLI::App app("Prunes fine-tuned encoder models to a FLOPs budget, without retraining.", "kprune");
  AddCommands(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return FinishOutput(session, app.exit(help_or_version, session.out, session.err));
  } catch (const CLI::ParseError& error) {
    return UsageError(app, error, session.err);
  }
  const absl::Status status = session.action();
  session.out << std::flush;
  if (!status.ok()) session.err << "kprune: " << status.message() << std::endl;
  return FinishOutput(session, ExitCodeOf(status));
}

}  // namespace kprune::client
