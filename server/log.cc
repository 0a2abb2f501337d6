#include "server/log.h"

#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace kprune {
namespace {

void Write(const char* level, std::string_view event, LogFields fields) {
  std::string line =
      absl::StrCat("time=", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()),
                   " level=", level, " event=", std::string(event));
  for (const auto& [name, value] : fields) {
    absl::StrAppend(&line, " ", std::string(name), "=\"", absl::Utf8SafeCEscape(value), "\"");
  }
  line += '\n';
  // Nobody is left to tell when stderr cannot be written.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

void LogInfo(std::string_view event, LogFields fields) { Write("info", event, fields); }
void LogWarning(std::string_view event, LogFields fields) { Write("warning", event, fields); }
void LogError(std::string_view event, LogFields fields) { Write("error", event, fields); }

}  // namespace kprune
