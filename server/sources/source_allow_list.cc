#include "server/sources/source_allow_list.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace kprune {

absl::StatusOr<SourceAllowList> SourceAllowList::Parse(std::string_view text) {
  SourceAllowList list;
  const std::vector<std::string> entries =
      absl::StrSplit(std::string(text), absl::ByAnyChar(", \t\n"), absl::SkipEmpty());
  for (size_t i = 0; i < entries.size(); ++i) {
    absl::StatusOr<SourceUrl> folder = ParseSourceFolder(entries[i]);
    if (folder.ok() && folder->scheme == "http") folder = absl::InvalidArgumentError("http is not encrypted");
    if (!folder.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--model-source-allow entry ", i + 1, " is refused: ", folder.status().message(),
          "; accepted are folders such as https://models.example.com/team/ and s3://bucket/prefix/"));
    }
    list.folders_.push_back(*std::move(folder));
  }
  return list;
}

bool SourceAllowList::Allows(const SourceUrl& url) const {
  return std::any_of(folders_.begin(), folders_.end(),
                     [&](const SourceUrl& folder) { return IsWithin(url, folder); });
}

}  // namespace kprune
