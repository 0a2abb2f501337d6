// kprune fetch: brings the result of a job to this machine.
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "client/command.h"
#include "client/connection.h"
#include "client/job_view.h"
#include "client/output_folder.h"
#include "client/remote_job.h"
#include "client/result_fetcher.h"

namespace kprune::client {
namespace {

struct FetchFlags {
  ServerFlags server;
  std::string job;
  std::string output;
  bool overwrite = false;
  ProgressMode progress = ProgressMode::kAuto;
  JobFormat format = JobFormat::kTable;
};

absl::Status Fetch(const FetchFlags& flags, Session& session) {
  const auto opened = Connection::Open(flags.server, session.interrupt);
  if (!opened.ok()) return opened.status();
  const Connection& connection = **opened;
  const absl::StatusOr<std::string> name = ResolveJobName(connection, flags.job);
  if (!name.ok()) return name.status();
  const absl::StatusOr<kprune::v1::Job> job = GetJob(connection, *name);
  if (!job.ok()) return job.status();
  const OutputFolder output(flags.output.empty() ? name->substr(name->find('/') + 1) : flags.output,
                            flags.overwrite);
  if (absl::Status fetched = FetchResult(connection, *job, output, flags.progress, session); !fetched.ok())
    return fetched;
  session.out << JobText(*job, flags.format, absl::Now());
  if (flags.format == JobFormat::kTable || flags.format == JobFormat::kWide) {
    session.out << "result: " << output.path.string() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddFetchCommand(CLI::App& app, Session& session) {
  auto flags = std::make_shared<FetchFlags>();
  CLI::App* command =
      app.add_subcommand("fetch", "Download the result of a job; goes on where it was interrupted");
  command->add_option("JOB", flags->job, "jobs/ID, ID, or @latest (the newest)")->required();
  command
      ->add_option("--output", flags->output,
                   "Folder of the result; must be new or empty (default: the job's ID)")
      ->check(kNamesAFolder);
  command->add_flag("--overwrite", flags->overwrite, "Replace the result of an earlier job at --output");
  AddServerFlags(*command, flags->server);
  AddProgressFlag(*command, flags->progress);
  AddJobFormatFlag(*command, flags->format);
  command->footer("Example:\n  kprune fetch @latest --output my-model-half");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return Fetch(*flags, session); }; });
}

}  // namespace kprune::client
