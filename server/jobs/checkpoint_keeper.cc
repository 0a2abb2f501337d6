#include "server/jobs/checkpoint_keeper.h"

#include <atomic>
#include <charconv>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "kprune/worker_protocol.h"
#include "server/log.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAttemptPrefix = "attempt-";

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::directory;
}

fs::path CheckpointIn(const fs::path& attempt_directory) {
  return attempt_directory / kScratchDirectory / kCheckpointDirectory;
}

void LogFailure(const char* event, const fs::path& path, const std::error_code& error) {
  if (error) LogWarning(event, {{"path", path.string()}, {"reason", error.message()}});
}

// The N of attempt-N, or -1.
int AttemptOf(const fs::path& folder) {
  const std::string name = folder.filename().string();
  int attempt = -1;
  if (!name.starts_with(kAttemptPrefix)) return -1;
  const char* const end = name.data() + name.size();
  const auto [parsed_to, error] = std::from_chars(name.data() + kAttemptPrefix.size(), end, attempt);
  return error == std::errc() && parsed_to == end ? attempt : -1;
}

absl::Status CannotTidy(const fs::path& path, const std::error_code& error) {
  return absl::UnavailableError(absl::StrCat("Cannot tidy up the job directories of an earlier server in ",
                                             path.string(), ": ", error.message(), "."));
}

absl::StatusOr<std::vector<fs::path>> EntriesOf(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
  }
  if (error && error != std::errc::no_such_file_or_directory) return CannotTidy(folder, error);
  return entries;
}

absl::Status RemoveAll(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return error ? CannotTidy(path, error) : absl::OkStatus();
}

}  // namespace

fs::path CheckpointKeeper::AttemptDirectory(const std::string& job_id, int attempt) const {
  return jobs_ / job_id / absl::StrCat("attempt-", attempt);
}

CheckpointKeeper::Given CheckpointKeeper::Give(const std::string& job_id,
                                               const fs::path& attempt_directory) const {
  return {GiveFolder(jobs_ / job_id / kCheckpointDirectory, CheckpointIn(attempt_directory)),
          GiveFolder(jobs_ / job_id / kResultDirectory, attempt_directory / kResultDirectory)};
}

bool CheckpointKeeper::GiveFolder(const fs::path& from, const fs::path& to) const {
  if (!IsFolder(from)) return false;
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (!error) fs::rename(from, to, error);
  LogFailure("checkpoint-not-given", from, error);
  return !error;
}

void CheckpointKeeper::Keep(const std::string& job_id, const fs::path& attempt_directory) const {
  KeepFolder(job_id, CheckpointIn(attempt_directory), kCheckpointDirectory);
}

void CheckpointKeeper::KeepFolder(const std::string& job_id, const fs::path& from, const char* name) const {
  if (!IsFolder(from)) return;
  DropFolder(job_id, name);
  std::error_code error;
  fs::rename(from, jobs_ / job_id / name, error);
  LogFailure("checkpoint-not-kept", from, error);
}

void CheckpointKeeper::Drop(const std::string& job_id) const {
  DropFolder(job_id, kCheckpointDirectory);
  DropFolder(job_id, kResultDirectory);
}

void CheckpointKeeper::DropFolder(const std::string& job_id, const char* name) const {
  // Renamed first: an attempt that is being given it at this moment gets the whole or nothing.
  static std::atomic<int64_t> drops = 0;
  const fs::path kept = jobs_ / job_id / name;
  const fs::path dropped = jobs_ / job_id / absl::StrCat("dropped-", ++drops);
  std::error_code error;
  fs::rename(kept, dropped, error);
  if (error == std::errc::no_such_file_or_directory) return;
  if (!error) fs::remove_all(dropped, error);
  LogFailure("checkpoint-not-dropped", kept, error);
  fs::remove(jobs_ / job_id, error);  // unless an attempt's directory is in it
}

absl::Status CheckpointKeeper::Recover(
    const std::function<absl::StatusOr<Worth>(const std::string& job_id)>& worth_of) const {
  absl::StatusOr<std::vector<fs::path>> folders = EntriesOf(jobs_);
  if (!folders.ok()) return folders.status();
  for (const fs::path& folder : *folders) {
    const absl::StatusOr<Worth> worth = worth_of(folder.filename().string());
    if (!worth.ok()) return worth.status();
    const bool worthy = *worth != Worth::kNothing && IsFolder(folder);
    const absl::Status status = worthy ? RecoverJob(folder, *worth) : RemoveAll(folder);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckpointKeeper::RecoverJob(const fs::path& folder, Worth worth) const {
  absl::StatusOr<std::vector<fs::path>> entries = EntriesOf(folder);
  if (!entries.ok()) return entries.status();
  const bool with_result = worth == Worth::kCheckpointAndResult;
  std::map<int, fs::path> attempts;
  for (const fs::path& entry : *entries) {
    const bool has_result = with_result && IsFolder(entry / kResultDirectory);
    if (AttemptOf(entry) >= 0 && (IsFolder(CheckpointIn(entry)) || has_result)) {
      attempts[AttemptOf(entry)] = entry;
    }
  }
  if (!attempts.empty()) {
    const fs::path& newest = attempts.rbegin()->second;
    const std::string job_id = folder.filename().string();
    KeepFolder(job_id, CheckpointIn(newest), kCheckpointDirectory);
    if (with_result) KeepFolder(job_id, newest / kResultDirectory, kResultDirectory);
  }
  for (const fs::path& entry : *entries) {
    if (entry.filename() == kCheckpointDirectory && IsFolder(entry)) continue;
    if (with_result && entry.filename() == kResultDirectory && IsFolder(entry)) continue;
    if (absl::Status status = RemoveAll(entry); !status.ok()) return status;
  }
  std::error_code ignored;  // it holds something
  fs::remove(folder, ignored);
  return absl::OkStatus();
}

}  // namespace kprune
