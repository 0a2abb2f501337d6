// kprune watch, get, list, cancel, retry and delete: the life of jobs at a server.
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "client/command.h"
#include "client/connection.h"
#include "client/job_view.h"
#include "client/job_watcher.h"
#include "client/remote_job.h"

namespace kprune::client {
namespace {

namespace v1 = kprune::v1;

constexpr absl::Duration kFirstContactPatience = absl::Seconds(5);

struct JobFlags {
  ServerFlags server;
  std::string job;
  JobFormat format = JobFormat::kTable;
  ProgressMode progress = ProgressMode::kAuto;
  std::vector<v1::JobState> states;
  int64_t limit = 50;
  bool keep_partial = false;
};

using JobAction = absl::Status (*)(const JobFlags& flags, const Connection& connection,
                                   const std::string& name, Session& session);

absl::Status PrintJob(const absl::StatusOr<v1::Job>& job, const JobFlags& flags, Session& session) {
  if (job.ok()) session.out << JobText(*job, flags.format, absl::Now());
  return job.status();
}

absl::Status Get(const JobFlags& flags, const Connection& connection, const std::string& name,
                 Session& session) {
  return PrintJob(GetJob(connection, name), flags, session);
}

absl::Status Watch(const JobFlags& flags, const Connection& connection, const std::string& name,
                   Session& session) {
  const auto display = MakeProgressDisplay(flags.progress, session.screen, session.err);
  WatchOptions options;
  options.patience = kFirstContactPatience;
  const absl::Status outcome = WatchJob(connection, name, options, *display);
  display->Close();
  if (!session.interrupt.status().ok()) return outcome;
  // Also a job that failed is shown; its outcome decides the exit code.
  if (outcome.ok() || !IsTransient(outcome)) {
    const absl::Status printed = PrintJob(GetJob(connection, name), flags, session);
    if (outcome.ok()) return printed;
  }
  return outcome;
}

absl::Status Cancel(const JobFlags& flags, const Connection& connection, const std::string& name,
                    Session& session) {
  CallContext context(connection, CallContext::Kind::kUnary);
  v1::CancelJobRequest request;
  request.set_name(name);
  request.set_keep_partial(flags.keep_partial);
  v1::Job job;
  const absl::Status status = connection.Explain(connection.jobs().CancelJob(context.get(), request, &job));
  return status.ok() ? PrintJob(job, flags, session) : status;
}

absl::Status Retry(const JobFlags& flags, const Connection& connection, const std::string& name,
                   Session& session) {
  CallContext context(connection, CallContext::Kind::kUnary);
  v1::RetryJobRequest request;
  request.set_name(name);
  v1::Job job;
  const absl::Status status = connection.Explain(connection.jobs().RetryJob(context.get(), request, &job));
  return status.ok() ? PrintJob(job, flags, session) : status;
}

// Prints the job as it was.
absl::Status Delete(const JobFlags& flags, const Connection& connection, const std::string& name,
                    Session& session) {
  const absl::StatusOr<v1::Job> job = GetJob(connection, name);
  if (!job.ok()) return job.status();
  CallContext context(connection, CallContext::Kind::kUnary);
  v1::DeleteJobRequest request;
  request.set_name(name);
  google::protobuf::Empty nothing;
  const absl::Status status =
      connection.Explain(connection.jobs().DeleteJob(context.get(), request, &nothing));
  return status.ok() ? PrintJob(job, flags, session) : status;
}

absl::Status List(const JobFlags& flags, Session& session) {
  const auto opened = Connection::Open(flags.server, session.interrupt);
  if (!opened.ok()) return opened.status();
  const Connection& connection = **opened;
  const absl::StatusOr<std::vector<v1::Job>> jobs = ListJobs(connection, flags.states, flags.limit);
  if (jobs.ok()) session.out << JobsText(*jobs, flags.format, absl::Now());
  return jobs.status();
}

// A command on one job.
CLI::App* AddJobCommand(CLI::App& app, const std::string& name, const std::string& help, JobAction action,
                        const std::shared_ptr<JobFlags>& flags, Session& session) {
  CLI::App* command = app.add_subcommand(name, help);
  command->add_option("JOB", flags->job, "jobs/ID, ID, or @latest (the newest)")->required();
  AddServerFlags(*command, flags->server);
  AddJobFormatFlag(*command, flags->format);
  command->footer(absl::StrCat("Example:\n  kprune ", name, " @latest"));
  command->callback([flags, action, &session] {
    session.action = [flags, action, &session] {
      const auto opened = Connection::Open(flags->server, session.interrupt);
      if (!opened.ok()) return opened.status();
      const Connection& connection = **opened;
      const absl::StatusOr<std::string> name = ResolveJobName(connection, flags->job);
      return name.ok() ? action(*flags, connection, *name, session) : name.status();
    };
  });
  return command;
}

void AddListCommand(CLI::App& app, Session& session) {
  auto flags = std::make_shared<JobFlags>();
  CLI::App* command = app.add_subcommand("list", "List jobs, the newest first");
  AddServerFlags(*command, flags->server);
  AddJobFormatFlag(*command, flags->format);
  command->add_option("--limit", flags->limit, "At most this many (default: 50)")->check(CLI::PositiveNumber);
  command
      ->add_option_function<std::vector<std::string>>(
          "--state",
          [flags](const std::vector<std::string>& names) {
            for (const std::string& name : names) {
              v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
              v1::JobState_Parse(absl::AsciiStrToUpper(name), &state);
              flags->states.push_back(state);
            }
          },
          "Only jobs in these states: queued | running | retry_wait | succeeded | failed | cancelled")
      ->check(CLI::IsMember({"queued", "running", "retry_wait", "succeeded", "failed", "cancelled"},
                            CLI::ignore_case));
  command->footer("Example:\n  kprune list --state running -o wide");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return List(*flags, session); }; });
}

}  // namespace

void AddJobCommands(CLI::App& app, Session& session) {
  const auto flags = [] { return std::make_shared<JobFlags>(); };
  const auto watch_flags = flags();
  CLI::App* watch = AddJobCommand(app, "watch", "Follow a job to its end", Watch, watch_flags, session);
  AddProgressFlag(*watch, watch_flags->progress);
  AddJobCommand(app, "get", "Show a job", Get, flags(), session);
  AddListCommand(app, session);
  const auto cancel_flags = flags();
  CLI::App* cancel =
      AddJobCommand(app, "cancel", "End a queued or running job", Cancel, cancel_flags, session);
  cancel->add_flag(
      "--keep-partial", cancel_flags->keep_partial,
      "Finish the sublayer that is being pruned and keep the model as far as it is; kprune fetch "
      "brings it");
  AddJobCommand(app, "retry", "Queue a failed or cancelled job again", Retry, flags(), session);
  AddJobCommand(app, "delete", "Delete a finished job", Delete, flags(), session);
}

}  // namespace kprune::client
