// What every reader of files that strangers wrote promises.
#ifndef KPRUNE_TESTS_FUZZ_PROMISES_H_
#define KPRUNE_TESTS_FUZZ_PROMISES_H_

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Ends the program where a promise is broken.
inline void Require(bool holds, const char* what, const absl::Status& status = absl::OkStatus()) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s: %s\n", what, status.ToString().c_str());
  std::abort();
}

// The message is a sentence of moderate length in UTF-8 (of which a strict dump is made, or an exception),
// the code a canonical one that says whose fault it is.
inline void RequireSentence(const absl::Status& status) {
  const std::string message(status.message());
  Require(!absl::IsUnknown(status) && !absl::IsInternal(status), "a refusal has its code", status);
  Require(!message.empty() && message.size() < 8192, "a refusal is a sentence", status);
  Require(!nlohmann::json(message).dump(-1, ' ', false, nlohmann::json::error_handler_t::strict).empty(),
          "a refusal is UTF-8", status);
}

// Refusals are INVALID_ARGUMENT, UNIMPLEMENTED or `also`, in a sentence.
inline void RequireRefusal(const absl::Status& status,
                           absl::StatusCode also = absl::StatusCode::kInvalidArgument) {
  Require(absl::IsInvalidArgument(status) || absl::IsUnimplemented(status) || status.code() == also,
          "a refusal has its code", status);
  RequireSentence(status);
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_FUZZ_PROMISES_H_
