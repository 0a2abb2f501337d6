// The warning by which a worker tells that memory ran out and that it goes on with smaller batches: written by
// the engine, known again by the server, which counts it. Thread-safe: pure functions.
#ifndef KPRUNE_OUT_OF_MEMORY_WARNING_H_
#define KPRUNE_OUT_OF_MEMORY_WARNING_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace kprune {

inline constexpr std::string_view kOutOfMemory = ": out of memory with batches of ";

// `what` was measured with batches of `tokens`, and will be with batches of `fewer_tokens`.
inline std::string OutOfMemoryWarning(std::string_view what, int64_t tokens, int64_t fewer_tokens) {
  return absl::StrCat(std::string(what), std::string(kOutOfMemory), tokens, " tokens; measuring it again with ",
                      fewer_tokens);
}

inline bool IsOutOfMemoryWarning(std::string_view message) {
  return message.find(kOutOfMemory) != std::string_view::npos;
}

}  // namespace kprune

#endif  // KPRUNE_OUT_OF_MEMORY_WARNING_H_
