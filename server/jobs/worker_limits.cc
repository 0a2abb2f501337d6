#include "server/jobs/worker_limits.h"

#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "kprune/worker_protocol.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

LimitBreach Exceeded(const char* what, int64_t has, int64_t limit, const char* advice) {
  return {false,
          absl::ResourceExhaustedError(absl::StrCat("The worker has ", has, " bytes of ", what,
                                                    ", and this server allows ", limit, "; ", advice))};
}

}  // namespace

std::optional<LimitBreach> WorkerWatch::Check(absl::Time now, const WorkerUsage& usage,
                                              int64_t scratch_bytes) {
  if (usage.cpu_time > last_cpu_time_) last_sign_ = now;
  last_cpu_time_ = usage.cpu_time;
  if (limits_.memory_bytes > 0 && usage.memory_bytes > limits_.memory_bytes) {
    return Exceeded("memory", usage.memory_bytes, limits_.memory_bytes,
                    "set memory_limit_bytes below that, use fewer samples or a shorter max_length.");
  }
  if (limits_.scratch_bytes > 0 && scratch_bytes > limits_.scratch_bytes) {
    return Exceeded("scratch files", scratch_bytes, limits_.scratch_bytes,
                    "use fewer samples or fewer exports.");
  }
  if (limits_.time > absl::ZeroDuration() && now - start_ > limits_.time) {
    return LimitBreach{false, absl::DeadlineExceededError(absl::StrCat(
                                  "The worker ran for more than the ", absl::FormatDuration(limits_.time),
                                  " that this server allows; use fewer samples or a shorter max_length."))};
  }
  if (limits_.silence > absl::ZeroDuration() && now - last_sign_ > limits_.silence) {
    return LimitBreach{true, absl::UnavailableError(absl::StrCat("The worker gave no sign of life for ",
                                                                 absl::FormatDuration(limits_.silence),
                                                                 " and was killed."))};
  }
  return std::nullopt;
}

int64_t ScratchBytes(const fs::path& job_directory) {
  int64_t bytes = 0;
  std::error_code error;  // files come and go meanwhile
  const auto add = [&](const fs::path& path) {
    std::error_code gone;
    if (fs::symlink_status(path, gone).type() != fs::file_type::regular) return;
    const std::uintmax_t size = fs::file_size(path, gone);
    if (!gone) bytes += static_cast<int64_t>(size);
  };
  for (const char* folder : {kScratchDirectory, kResultDirectory}) {
    for (fs::recursive_directory_iterator it(job_directory / folder, error), end; !error && it != end;
         it.increment(error)) {
      add(it->path());
    }
  }
  for (fs::directory_iterator it(job_directory, error), end; !error && it != end; it.increment(error)) {
    add(it->path());
  }
  return bytes;
}

}  // namespace kprune
