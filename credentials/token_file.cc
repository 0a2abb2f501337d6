#include "credentials/token_file.h"

#include <algorithm>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

constexpr size_t kMaxTokenBytes = 4096;

}  // namespace

absl::StatusOr<std::string> ReadToken(const std::string& file) {
  std::string line;
  if (std::ifstream in(file); !std::getline(in, line))
    return absl::NotFoundError(
        absl::StrCat("cannot read a token from ", file, "; --token-file names a file with one line"));
  const std::string token(absl::StripAsciiWhitespace(line));
  // Visible ASCII: gRPC would end the program at anything else.
  const auto is_visible = [](unsigned char c) { return c > ' ' && c <= '~'; };
  if (!token.empty() && token.size() <= kMaxTokenBytes && std::all_of(token.begin(), token.end(), is_visible))
    return token;
  return absl::FailedPreconditionError(
      absl::StrCat("what is in ", file, " is no token; it must be one line as kprune token prints it"));
}

}  // namespace kprune
