// The traceparent of W3C Trace Context (https://www.w3.org/TR/trace-context/): which trace a call belongs to,
// such as "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01": version, trace, the caller's span,
// flags. Pure functions.
#ifndef KPRUNE_TRACE_PARENT_H_
#define KPRUNE_TRACE_PARENT_H_

#include <cstddef>
#include <string_view>

namespace kprune {

// The key of a call's metadata, and of HTTP's header.
inline constexpr char kTraceParentKey[] = "traceparent";

// What is of version 00, and kept.
inline constexpr size_t kTraceParentChars = 55;

// Hexadecimal digits, lower case, not all of them 0.
constexpr bool IsTraceNumber(std::string_view text, size_t digits) {
  bool zero = true;
  for (const char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
    zero = zero && c == '0';
  }
  return text.size() == digits && !zero;
}

// Of version 00; a later version's may go on, and is read as far as 00 goes.
constexpr bool IsTraceParent(std::string_view text) {
  if (text.size() < kTraceParentChars || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  const std::string_view version = text.substr(0, 2), flags = text.substr(53, 2);
  if (version == "ff" || (version != "00" && !IsTraceNumber(version, 2))) return false;
  if (flags != "00" && !IsTraceNumber(flags, 2)) return false;
  if (text.size() > kTraceParentChars && (version == "00" || text[kTraceParentChars] != '-')) return false;
  return IsTraceNumber(text.substr(3, 32), 32) && IsTraceNumber(text.substr(36, 16), 16);
}

// Its 32 digits; empty where `text` is no traceparent.
constexpr std::string_view TraceIdOf(std::string_view text) {
  return IsTraceParent(text) ? text.substr(3, 32) : std::string_view();
}

}  // namespace kprune

#endif  // KPRUNE_TRACE_PARENT_H_
