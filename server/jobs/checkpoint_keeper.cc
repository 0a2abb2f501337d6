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

bool CheckpointKeeper::Give(const std::string& job_id, const fs::path& attempt_directory) const {
  const fs::path kept = jobs_ / job_id / kCheckpointDirectory;
  if (!IsFolder(kept)) return false;
  std::error_code error;
  fs::create_directories(attempt_directory / kScratchDirectory, error);
  if (!error) fs::rename(kept, CheckpointIn(attempt_directory), error);
  LogFailure("checkpoint-not-given", kept, error);
  return !error;
}

void CheckpointKeeper::Keep(const std::string& job_id, const fs::path& attempt_directory) const {
  const fs::path left = CheckpointIn(attempt_directory);
  if (!IsFolder(left)) return;
  Drop(job_id);
  std::error_code error;
  fs::rename(left, jobs_ / job_id / kCheckpointDirectory, error);
  LogFailure("checkpoint-not-kept", left, error);
}

void CheckpointKeeper::Drop(const std::string& job_id) const {
  // Renamed first: an attempt that is being given it at this moment gets the whole or nothing.
  static std::atomic<int64_t> drops = 0;
  const fs::path kept = jobs_ / job_id / kCheckpointDirectory;
  const fs::path dropped = jobs_ / job_id / absl::StrCat("dropped-", ++drops);
  std::error_code error;
  fs::rename(kept, dropped, error);
  if (error == std::errc::no_such_file_or_directory) return;
  if (!error) fs::remove_all(dropped, error);
  LogFailure("checkpoint-not-dropped", kept, error);
  fs::remove(jobs_ / job_id, error);  // unless an attempt's directory is in it
}

absl::Status CheckpointKeeper::Recover(
    const std::function<absl::StatusOr<bool>(const std::string& job_id)>& is_unfinished) const {
  absl::StatusOr<std::vector<fs::path>> folders = EntriesOf(jobs_);
  if (!folders.ok()) return folders.status();
  for (const fs::path& folder : *folders) {
    const absl::StatusOr<bool> unfinished = is_unfinished(folder.filename().string());
    if (!unfinished.ok()) return unfinished.status();
    const absl::Status status = *unfinished && IsFolder(folder) ? RecoverJob(folder) : RemoveAll(folder);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status CheckpointKeeper::RecoverJob(const fs::path& folder) const {
  absl::StatusOr<std::vector<fs::path>> entries = EntriesOf(folder);
  if (!entries.ok()) return entries.status();
  std::map<int, fs::path> attempts;
  for (const fs::path& entry : *entries) {
    if (AttemptOf(entry) >= 0 && IsFolder(CheckpointIn(entry))) attempts[AttemptOf(entry)] = entry;
  }
  if (!attempts.empty()) Keep(folder.filename().string(), attempts.rbegin()->second);
  for (const fs::path& entry : *entries) {
    if (entry.filename() == kCheckpointDirectory && IsFolder(entry)) continue;
    if (absl::Status status = RemoveAll(entry); !status.ok()) return status;
  }
  std::error_code ignored;  // it holds a checkpoint
  fs::remove(folder, ignored);
  return absl::OkStatus();
}

}  // namespace kprune
