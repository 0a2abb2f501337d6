// The service's log: one plain structured line an event on stderr, e.g.
//   time=2026-01-31T12:00:00.000Z level=info event=listening address="127.0.0.1:8470"
// Never pass a secret. Thread-safe: a line is written by one call.
#ifndef KPRUNE_SERVER_LOG_H_
#define KPRUNE_SERVER_LOG_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace kprune {

using LogFields = std::initializer_list<std::pair<std::string_view, std::string>>;

// `event` is a fixed word such as "job-finished". Values are quoted and escaped, so that a line stays one
// line.
void LogInfo(std::string_view event, LogFields fields = {});
void LogWarning(std::string_view event, LogFields fields = {});
void LogError(std::string_view event, LogFields fields = {});

}  // namespace kprune

#endif  // KPRUNE_SERVER_LOG_H_
