#include "server/jobs/worker_outcome.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "kprune/layout.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"
#include "server/jobs/job_error.h"
#include "server/jobs/process_worker_launcher.h"

namespace kprune {
namespace {

constexpr size_t kMaxErrorBytes = 64 * 1024;
constexpr size_t kLogTailBytes = 2048;

// At most `max_bytes` from the end of a regular file; empty where there is none.
std::string ReadTail(const std::filesystem::path& file, size_t max_bytes) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  struct stat info = {};
  if (descriptor < 0) return {};
  std::string tail;
  if (fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode)) {
    const off_t start = std::max<off_t>(0, info.st_size - static_cast<off_t>(max_bytes));
    tail.resize(max_bytes);
    const ssize_t n = pread(descriptor, tail.data(), tail.size(), start);
    tail.resize(n > 0 ? static_cast<size_t>(n) : 0);
  }
  close(descriptor);
  return tail;
}

// Text for a database and a terminal: valid UTF-8, no control characters but newlines.
std::string Clean(const std::string& text) {
  const std::string quoted =
      nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::string clean = nlohmann::json::parse(quoted).get<std::string>();
  std::erase_if(clean, [](unsigned char c) { return (c < 0x20 && c != '\n') || c == 0x7f; });
  return clean;
}

// A model's folder, or that of the whole result ("").
absl::Status CheckFolder(const Manifest& files, std::string_view folder, bool is_model) {
  const auto has = [&](auto condition) {
    return std::any_of(files.begin(), files.end(), [&](const FileEntry& file) {
      const std::string_view name = file.name;
      return BudgetFolderOf(name) == folder && condition(name.substr(folder.empty() ? 0 : folder.size() + 1));
    });
  };
  const bool weights = has([](std::string_view name) {
    return name.ends_with(".safetensors") && name.find('/') == std::string_view::npos;
  });
  const bool config = has([](std::string_view name) { return name == "config.json"; });
  const bool report = has([](std::string_view name) { return name == kReportFile; });
  if (report && (!is_model || (weights && config))) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("The worker ended well but left no ",
                                          is_model && !config    ? "config.json"
                                          : is_model && !weights ? "model*.safetensors"
                                                                 : kReportFile,
                                          " in its result", folder.empty() ? "" : " ", std::string(folder),
                                          "."));
}

absl::Status CheckComplete(const Manifest& files) {
  std::set<std::string_view> models;  // their folders, where there are several
  for (const FileEntry& file : files) models.insert(BudgetFolderOf(file.name));
  models.erase("");
  absl::Status status = CheckFolder(files, "", models.empty());
  for (const std::string_view model : models) status.Update(CheckFolder(files, model, true));
  return status;
}

}  // namespace

absl::StatusOr<std::string> ReadSmallFile(const std::filesystem::path& file, size_t max_bytes) {
  std::error_code error;
  if (!std::filesystem::exists(std::filesystem::symlink_status(file, error))) {
    return absl::NotFoundError(absl::StrCat("There is no ", file.filename().string(), "."));
  }
  std::string bytes = ReadTail(file, max_bytes + 1);
  if (bytes.size() <= max_bytes) return bytes;
  return absl::ResourceExhaustedError(
      absl::StrCat(file.filename().string(), " is larger than ", max_bytes, " bytes."));
}

absl::Status ReadWorkerError(const std::filesystem::path& job_directory) {
  absl::StatusOr<std::string> text = ReadSmallFile(job_directory / kErrorFile, kMaxErrorBytes);
  if (text.ok()) {
    const nlohmann::json error = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    const bool readable = error.is_object() && error.contains("code") && error["code"].is_string() &&
                          error.contains("message") && error["message"].is_string();
    if (readable) {
      const std::string message = Clean(error["message"].get<std::string>().substr(0, kMaxSentenceBytes));
      if (!message.empty()) return ToStatus({error["code"].get<std::string>(), message});
    }
  }
  return absl::InternalError("The worker failed and left no error.json that says why.");
}

absl::Status DescribeCrash(const WorkerExitStatus& exit, const std::filesystem::path& job_directory) {
  std::string how = absl::StrCat("ended with status ", exit.value);
  if (exit.signalled) {
    how = absl::StrCat("was ended by signal ", exit.value, " (", strsignal(exit.value), ")");
    if (exit.value == SIGKILL) how += ", perhaps for want of memory";
  }
  const std::string tail = Clean(ReadTail(job_directory / kWorkerLogFile, kLogTailBytes));
  return absl::InternalError(
      absl::StrCat("The worker ", how, tail.empty() ? "." : absl::StrCat("; the end of its log: ", tail)));
}

absl::StatusOr<CollectedResult> CollectResult(const std::filesystem::path& job_directory,
                                              ArtifactStore& artifacts) {
  const std::filesystem::path folder = job_directory / kResultDirectory;
  CollectedResult result;
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    const bool is_file = it->symlink_status(error).type() == std::filesystem::file_type::regular;
    const bool is_folder = it->symlink_status(error).type() == std::filesystem::file_type::directory;
    const std::string name = it->path().lexically_relative(folder).generic_string();
    if (is_file && IsAllowedName(FileRole::kResult, name)) {
      names.push_back(name);
    } else if (!is_folder) {
      result.ignored.push_back(name.substr(0, 128));
    }
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    absl::StatusOr<Artifact> stored = artifacts.PutFile(folder / name);
    if (!stored.ok()) return stored.status();
    result.files.push_back({name, stored->sha256, stored->size_bytes});
  }
  if (absl::Status status = CheckComplete(result.files); !status.ok()) return status;
  return result;
}

}  // namespace kprune
