// The bearer token that a program shows to kprune-server, from the file that --token-file names.
#ifndef KPRUNE_CREDENTIALS_TOKEN_FILE_H_
#define KPRUNE_CREDENTIALS_TOKEN_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace kprune {

// The first line of the file, without the white space around it. NOT_FOUND: there is none;
// FAILED_PRECONDITION: it is no token. No sentence repeats what is in the file.
absl::StatusOr<std::string> ReadToken(const std::string& file);

}  // namespace kprune

#endif  // KPRUNE_CREDENTIALS_TOKEN_FILE_H_
