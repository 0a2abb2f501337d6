#include "server/sources/model_uri.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace kprune {
namespace {

constexpr std::string_view kHubPrefix = "hub:";
constexpr char kDefaultRevision[] = "main";
constexpr char kAccepted[] =
    "; accepted are https://host/folder/, s3://bucket/prefix/ and hub:org/name@revision.";

absl::Status UriRefused(std::string_view reason) {
  return absl::InvalidArgumentError(
      absl::StrCat("spec.model_uri is refused: ", std::string(reason), kAccepted));
}

// A name of the hub: letters, digits and ._- with no dot or dash first and no "..".
bool IsHubName(std::string_view name) {
  if (name.empty() || name.size() > 96 || name[0] == '.' || name[0] == '-') return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '_' || c == '-'; });
}

absl::StatusOr<ModelUri> ParseHub(std::string_view text) {
  ModelUri uri;
  uri.kind = ModelUri::Kind::kHub;
  const size_t at = std::min(text.find('@'), text.size());
  uri.hub_id = std::string(text.substr(0, at));
  uri.revision = at == text.size() ? kDefaultRevision : std::string(text.substr(at + 1));
  const std::vector<std::string> parts = absl::StrSplit(uri.hub_id, '/');
  if (parts.size() > 2 || !std::all_of(parts.begin(), parts.end(), IsHubName))
    return UriRefused("its repository is not of the form org/name");
  if (!IsHubName(uri.revision))
    return UriRefused("its revision is no branch, tag or commit of letters, digits and ._-");
  return uri;
}

}  // namespace

std::string ModelUri::Text() const {
  return kind == Kind::kHub ? absl::StrCat("hub:", hub_id, "@", revision) : folder.Shown();
}

absl::StatusOr<ModelUri> ParseModelUri(std::string_view text) {
  if (text.starts_with(kHubPrefix)) return ParseHub(text.substr(kHubPrefix.size()));
  absl::StatusOr<SourceUrl> folder = ParseSourceFolder(text);
  if (!folder.ok()) {
    const absl::string_view reason = folder.status().message();
    return UriRefused(std::string_view(reason.data(), reason.size()));
  }
  if (folder->scheme == "http") return UriRefused("http is not encrypted");
  ModelUri uri;
  uri.kind = folder->scheme == "s3" ? ModelUri::Kind::kS3 : ModelUri::Kind::kHttps;
  uri.folder = *std::move(folder);
  return uri;
}

}  // namespace kprune
