#include "tests/service_fuzz/fuzzed_workers.h"

#include <google/protobuf/util/json_util.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>

#include "absl/strings/str_split.h"
#include "kprune/layout.h"
#include "kprune/v1/job.pb.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"
#include "server/artifacts/in_memory_artifact_store.h"
#include "server/jobs/job_error.h"
#include "server/jobs/line_reader.h"
#include "server/jobs/process_worker_launcher.h"
#include "server/jobs/progress_line.h"
#include "server/jobs/worker_outcome.h"
#include "server/rpc/job_convert.h"
#include "server/rpc/status_mapping.h"
#include "tests/fuzz/promises.h"
#include "tests/service_fuzz/whole_server.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

// Longest event that a watcher is sent, longest sentence of an error.
constexpr size_t kMaxPayloadBytes = 32 << 10, kMaxSentenceBytes = 16 << 10;
// What a histogram of seconds can add up: some thousand years.
constexpr double kMostSeconds = 1e11;

void Write(const fs::path& file, std::string_view bytes) {
  std::error_code impossible;  // such a name cannot be
  fs::create_directories(file.parent_path(), impossible);
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void RequireEvent(const std::string& payload_json) {
  Require(payload_json.size() <= kMaxPayloadBytes, "events are short");
  v1::Event event;
  Require(google::protobuf::util::JsonStringToMessage(payload_json, &event).ok(), "an event can be read");
  Require(event.event_case() >= v1::Event::kStage, "a worker cannot change a job's state");
  const v1::Event told = ToProto(JobEvent{7, absl::UnixEpoch(), payload_json});
  Require(told.sequence() == 7 && told.event_case() == event.event_case(), "watchers are told the same");
}

void TakeLine(const std::string& text) {
  for (const double begin : {0.0, 0.1}) {
    const absl::StatusOr<ProgressLine> line = ParseProgressLine(text, begin);
    if (!line.ok()) return RequireRefusal(line.status());
    RequireEvent(line->payload_json);
    if (line->fraction) Require(*line->fraction >= begin && *line->fraction <= 1, "progress is a share");
    const double seconds = line->sublayer ? line->sublayer->seconds() : 0;
    Require(seconds >= 0 && seconds <= kMostSeconds, "seconds can be added up");
    Require(ParseProgressLine(line->payload_json).ok(), "a told event is known again");
  }
}

void TakeProgress(std::string_view bytes) {
  int ends[2];
  Require(pipe(ends) == 0, "there is a pipe");
  std::thread worker([&] {
    for (std::string_view rest = bytes; !rest.empty();) {
      const ssize_t n = write(ends[1], rest.data(), rest.size());
      if (n > 0) rest.remove_prefix(static_cast<size_t>(n));
    }
    close(ends[1]);
  });
  LineReader reader(ends[0]);
  for (;;) {
    const ProgressRead read = reader.Read(absl::Hours(1));
    if (read.kind == ProgressRead::Kind::kClosed) break;
    Require(read.line.size() <= kMaxProgressLineBytes, "lines are bounded");
    if (read.kind == ProgressRead::Kind::kLine) TakeLine(read.line);
  }
  worker.join();
}

// An error as a job has it, and as a call answers it.
void RequireError(const absl::Status& error) {
  Require(!error.ok(), "a failed worker is no success");
  const JobError stored = ToJobError(error);
  Require(!stored.message.empty() && stored.message.size() <= kMaxSentenceBytes, "an error is a sentence",
          error);
  Require(ToStatus(stored) == error, "an error is stored as it is", error);
  Require(!nlohmann::json(stored.message).dump().empty(), "an error is UTF-8", error);
  for (const char c : stored.message)
    Require(static_cast<unsigned char>(c) >= 0x20 || c == '\n', "an error can be shown on a terminal", error);
  const std::string sent = ToGrpcStatus(error).error_message();
  Require(!sent.empty() && !nlohmann::json(sent).dump().empty(), "a sent error is UTF-8", error);
}

void TakePreflight(std::string_view bytes) {
  static WholeServer server;
  static const std::shared_ptr<v1::JobService::Stub> stub = v1::JobService::NewStub(server.channel());
  server.SetPreflight(std::string(bytes));
  v1::CreateJobRequest request;
  request.set_validate_only(true);
  v1::JobSpec& spec = *request.mutable_spec();
  const auto add = [](const FileEntry& file, v1::File* added) {
    added->set_name(file.name);
    added->set_sha256(file.sha256);
    added->set_size(file.size_bytes);
  };
  for (const FileEntry& file : server.input().model) add(file, spec.add_model());
  for (const FileEntry& file : server.input().data) add(file, spec.add_data());
  grpc::ClientContext context;
  v1::Job job;
  const grpc::Status status = stub->CreateJob(&context, request, &job);
  if (!status.ok()) {
    const absl::Status error(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    return RequireError(error);  // whose fault it is: the worker's, INTERNAL
  }
  Require(job.name().empty() && job.has_preflight(), "what is only checked is no job");
}

// The names are below a folder of their own, as what a worker may write is.
void TakeResult(const fs::path& directory, std::string_view names) {
  const fs::path folder = directory / kResultDirectory;
  fs::remove_all(folder);
  for (const absl::string_view line : absl::StrSplit(absl::string_view(names.data(), names.size()), '\n')) {
    const std::string name(line);
    if (name.empty() || name[0] == '/' || name.find('\0') != std::string::npos ||
        name.find("..") != std::string::npos)
      continue;
    Write(folder / name, name);
  }
  InMemoryArtifactStore artifacts;
  const absl::StatusOr<CollectedResult> result = CollectResult(directory, artifacts);
  if (!result.ok()) return RequireError(result.status());
  for (const FileEntry& file : result->files) {
    Require(IsAllowedName(FileRole::kResult, file.name), "results have names of the list");
    Require(artifacts.Query(file.sha256)->complete, "results are stored");
  }
  for (const std::string& name : result->ignored) RequireEvent(WarningPayload(name));
}

}  // namespace

void TakeFromWorker(const std::string& name, const uint8_t* bytes, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  static const TempDirectory folder;
  if (name == "progress") return TakeProgress(text);
  if (name == "preflight.json") return TakePreflight(text);
  if (name == "result") return TakeResult(folder.path(), text);
  Write(folder / name, text);
  RequireError(name == kErrorFile
                   ? ReadWorkerError(folder.path())
                   : DescribeCrash({static_cast<int>(size % 70), size % 2 == 0}, folder.path()));
}

}  // namespace kprune
