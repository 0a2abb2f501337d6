#include "client/local_job.h"

#include <signal.h>
#include <sys/wait.h>

#include <cstring>
#include <fstream>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/json_text.h"
#include "client/local_worker.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"

namespace kprune::client {
namespace {

namespace fs = std::filesystem;
using kprune::v1::Event;

// Far more than any event needs.
constexpr size_t kMaxLineBytes = 16 << 10;

// Gives events their number and, where they have none, their time.
class Numbering {
 public:
  explicit Numbering(const EventSink& sink) : sink_(sink) {}

  void Send(Event event) {
    event.set_sequence(++last_);
    if (!event.has_time()) {
      const int64_t now = absl::GetCurrentTimeNanos();
      event.mutable_time()->set_seconds(now / 1'000'000'000);
      event.mutable_time()->set_nanos(static_cast<int32_t>(now % 1'000'000'000));
    }
    sink_(event);
  }

  void SendState(kprune::v1::JobState state, const absl::Status& status) {
    Event event;
    event.mutable_state_changed()->set_state(state);
    event.mutable_state_changed()->set_attempt(1);
    if (state == kprune::v1::FAILED) {
      event.mutable_state_changed()->mutable_error()->set_code(CodeName(status.code()));
      event.mutable_state_changed()->mutable_error()->set_message(std::string(status.message()));
    }
    Send(event);
  }

 private:
  const EventSink& sink_;
  int64_t last_ = 0;
};

// A line that is not one of the worker's events becomes a warning: nothing is dropped unseen.
Event ParseLine(const std::string& line) {
  Event event;
  const bool parsed = line.size() <= kMaxLineBytes && FromJson(line, event).ok();
  if (parsed && (event.has_stage() || event.has_sublayer() || event.has_warning())) return event;
  event.Clear();
  event.mutable_warning()->set_message(absl::StrCat("the worker wrote a progress line that is not an event: ",
                                                    absl::CHexEscape(line.substr(0, 120))));
  return event;
}

// error.json, or nullopt where there is none that can be read.
std::optional<absl::Status> ReadError(const fs::path& job_directory) {
  std::ifstream stream(job_directory / kErrorFile);
  const auto error = nlohmann::json::parse(stream, nullptr, /*allow_exceptions=*/false);
  if (!error.is_object() || !error.contains("code") || !error.contains("message")) return std::nullopt;
  if (!error["code"].is_string() || !error["message"].is_string()) return std::nullopt;
  return absl::Status(CodeFromName(error["code"].get<std::string>()), error["message"].get<std::string>());
}

absl::Status Outcome(const fs::path& job_directory, int wait_status, const Interrupt& interrupt) {
  const bool exited = WIFEXITED(wait_status);
  if (exited && WEXITSTATUS(wait_status) == kWorkerSucceeded) {
    if (fs::is_directory(job_directory / kResultDirectory)) return absl::OkStatus();
    return absl::InternalError("kprune-worker ended without a result; its own messages are above");
  }
  if (absl::Status interrupted = interrupt.status(); !interrupted.ok()) return interrupted;
  if (exited && WEXITSTATUS(wait_status) == kWorkerCancelled) {
    return absl::CancelledError("kprune-worker was asked to stop");
  }
  if (exited && WEXITSTATUS(wait_status) == kWorkerFailed) {
    if (const auto error = ReadError(job_directory)) return *error;
  }
  if (exited) {
    return absl::InternalError(absl::StrCat("kprune-worker ended with status ", WEXITSTATUS(wait_status),
                                            " and gave no reason; its own messages are above"));
  }
  const int signal = WTERMSIG(wait_status);
  return absl::InternalError(absl::StrCat("kprune-worker was ended by signal ", signal, " (",
                                          strsignal(signal), ")",
                                          signal == SIGKILL ? ", often for lack of memory" : ""));
}

}  // namespace

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

absl::StatusCode CodeFromName(const std::string& name) {
  for (int code = 1; code <= static_cast<int>(absl::StatusCode::kUnauthenticated); ++code) {
    if (CodeName(static_cast<absl::StatusCode>(code)) == name) return static_cast<absl::StatusCode>(code);
  }
  return absl::StatusCode::kUnknown;
}

absl::Status RunLocalJob(const std::vector<std::string>& worker, const fs::path& job_directory,
                         Interrupt& interrupt, const EventSink& sink,
                         const std::function<absl::Status()>& finish) {
  Numbering events(sink);
  if (absl::Status interrupted = interrupt.status(); !interrupted.ok()) return interrupted;
  absl::StatusOr<LocalWorker> process = LocalWorker::Start(worker, job_directory);
  if (!process.ok()) return process.status();
  events.SendState(kprune::v1::RUNNING, absl::OkStatus());
  {
    const Interrupt::Scope scope(interrupt,
                                 [&](int count) { process->Signal(count == 1 ? SIGTERM : SIGKILL); });
    while (const std::optional<std::string> line = process->ReadLine()) {
      if (!line->empty()) events.Send(ParseLine(*line));
    }
    process->AwaitExit();
  }
  absl::Status outcome = Outcome(job_directory, process->Reap(), interrupt);
  if (outcome.ok()) outcome = finish();
  events.SendState(outcome.ok()                 ? kprune::v1::SUCCEEDED
                   : absl::IsCancelled(outcome) ? kprune::v1::CANCELLED
                                                : kprune::v1::FAILED,
                   outcome);
  return outcome;
}

}  // namespace kprune::client
