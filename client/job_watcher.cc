#include "client/job_watcher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "client/event_text.h"
#include "client/local_job.h"

namespace kprune::client {
namespace {

namespace v1 = kprune::v1;

constexpr int kTriesAfterFinal = 5;

// What is known after some of the events.
struct Watched {
  int64_t last_sequence = 0;
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  v1::Error error;
};

// One connection's worth of events.
absl::Status ReadEvents(const Connection& connection, const std::string& name, ProgressDisplay& display,
                        Backoff& backoff, Watched& watched) {
  CallContext context(connection, CallContext::Kind::kStream);
  v1::WatchJobRequest request;
  request.set_name(name);
  request.set_after_sequence(watched.last_sequence);
  const auto reader = connection.jobs().WatchJob(context.get(), request);
  v1::Event event;
  while (reader->Read(&event)) {
    backoff.Reset();
    if (event.sequence() <= watched.last_sequence) continue;
    watched.last_sequence = event.sequence();
    if (event.has_state_changed()) {
      watched.state = event.state_changed().state();
      watched.error = event.state_changed().error();
    }
    display.OnEvent(event);
  }
  return connection.Explain(reader->Finish());
}

}  // namespace

absl::Status WatchJob(const Connection& connection, const std::string& name, const WatchOptions& options,
                      ProgressDisplay& display) {
  Backoff backoff(options.backoff);
  Watched watched;
  int ends_after_final = 0;
  bool noted = false;
  for (;;) {
    const int64_t before = watched.last_sequence;
    absl::Status status = ReadEvents(connection, name, display, backoff, watched);
    if (absl::Status interrupted = connection.interrupt().status(); !interrupted.ok()) return interrupted;
    // A retried job has had final states before its last one: only a stream that ends well, or a server that
    // stays away, makes a final state the outcome.
    if (IsFinal(watched.state) && (status.ok() || ++ends_after_final > kTriesAfterFinal)) {
      return OutcomeOf(name, watched.state, watched.error);
    }
    // A server that is shutting down ends the stream before the job's last event.
    if (status.ok() || absl::IsCancelled(status)) {
      status = absl::UnavailableError(absl::StrCat("the server at ", connection.address(),
                                                   " stopped sending the events of ", name,
                                                   "; continue with kprune watch ", name));
    }
    if (!IsTransient(status)) return status;
    if (watched.last_sequence == 0 ? backoff.waited() >= options.patience : backoff.exhausted())
      return status;
    if (watched.last_sequence > before) noted = false;
    if (!std::exchange(noted, true)) {
      display.OnNote(absl::StrCat("the connection to ", connection.address(), " is lost; trying again"));
    }
    if (absl::Status slept = connection.interrupt().SleepFor(backoff.Next()); !slept.ok()) return slept;
  }
}

absl::Status OutcomeOf(const std::string& name, v1::JobState state, const v1::Error& error) {
  if (state == v1::CANCELLED) return absl::CancelledError(absl::StrCat(name, " was cancelled"));
  if (state != v1::FAILED) return absl::OkStatus();
  return absl::Status(CodeFromName(error.code()), absl::StrCat(name, " failed: ", error.message()));
}

}  // namespace kprune::client
