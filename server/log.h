// The service's log: one structured line an event on stderr (docs/logging.md), as text
//   time=2026-01-31T12:00:00.000Z level=info event=listening address="127.0.0.1:8470"
// or as one JSON object with the same fields. Never pass a secret. Thread-safe: a line is written by one
// call.
#ifndef KPRUNE_SERVER_LOG_H_
#define KPRUNE_SERVER_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kprune {

// What --log-format accepts.
inline constexpr const char* kLogFormats[] = {"text", "json"};

// Of kLogFormats; text until then. Call before lines are written from several threads.
void SetLogFormat(std::string_view format);

using LogField = std::pair<std::string_view, std::string>;
using LogFields = std::initializer_list<LogField>;

// `event` is a fixed word such as "job-finished". Names are fixed words, too; values may be anything: they
// are quoted and escaped, so that a line stays one line, and valid UTF-8.
void LogInfo(std::string_view event, LogFields fields = {});
void LogWarning(std::string_view event, LogFields fields = {});
void LogError(std::string_view event, LogFields fields = {});

// Why `program` ends: the event "failed" in JSON, in text a plain sentence for whoever started it.
void LogFailure(std::string_view program, std::string_view reason);

// While it lives, every line that its thread writes has these fields, too, unless the line says them itself
// or they are empty. Scopes nest. Destroy it on its thread, in the order of scopes.
class LogScope {
 public:
  explicit LogScope(LogFields fields);
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

  const std::vector<LogField>& fields() const { return fields_; }
  // The one around it on this thread; null where there is none.
  const LogScope* outer() const { return outer_; }

 private:
  const std::vector<LogField> fields_;
  const LogScope* const outer_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_LOG_H_
