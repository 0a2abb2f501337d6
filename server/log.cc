#include "server/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace kprune {
namespace {

std::atomic<bool> as_json = false;
thread_local const LogScope* innermost_scope = nullptr;

std::string TextLine(const std::string& time, const char* level, std::string_view event,
                     const std::vector<LogField>& fields) {
  std::string line = absl::StrCat("time=", time, " level=", level, " event=", std::string(event));
  for (const auto& [name, value] : fields)
    absl::StrAppend(&line, " ", std::string(name), "=\"", absl::Utf8SafeCEscape(value), "\"");
  return line;
}

std::string JsonLine(const std::string& time, const char* level, std::string_view event,
                     const std::vector<LogField>& fields) {
  nlohmann::ordered_json line = {{"time", time}, {"level", level}, {"event", event}};
  for (const auto& [name, value] : fields) line[std::string(name)] = value;
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<LogField> WithScopes(LogFields fields) {
  std::vector<LogField> all = fields;
  for (const LogScope* scope = innermost_scope; scope != nullptr; scope = scope->outer()) {
    for (const LogField& field : scope->fields()) {
      const auto same = [&](const LogField& said) { return said.first == field.first; };
      if (!field.second.empty() && std::none_of(all.begin(), all.end(), same)) all.push_back(field);
    }
  }
  return all;
}

void WriteLine(std::string line) {
  line += '\n';
  // Nobody is left to tell when stderr cannot be written.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void Write(const char* level, std::string_view event, LogFields fields) {
  const std::string time = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
  WriteLine((as_json ? JsonLine : TextLine)(time, level, event, WithScopes(fields)));
}

}  // namespace

void SetLogFormat(std::string_view format) { as_json = format == "json"; }

void LogInfo(std::string_view event, LogFields fields) { Write("info", event, fields); }
void LogWarning(std::string_view event, LogFields fields) { Write("warning", event, fields); }
void LogError(std::string_view event, LogFields fields) { Write("error", event, fields); }

void LogFailure(std::string_view program, std::string_view reason) {
  if (as_json) return LogError("failed", {{"reason", std::string(reason)}});
  WriteLine(absl::StrCat(std::string(program), ": ", std::string(reason)));
}

LogScope::LogScope(LogFields fields) : fields_(fields), outer_(innermost_scope) { innermost_scope = this; }
LogScope::~LogScope() { innermost_scope = outer_; }

}  // namespace kprune
