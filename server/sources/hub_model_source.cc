// The Hugging Face Hub's API: https://huggingface.co/docs/hub/api
#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kprune/artifact_store.h"
#include "nlohmann/json.hpp"
#include "server/sources/listed_model_source.h"
#include "server/sources/model_source.h"

namespace kprune {
namespace {

using nlohmann::json;

constexpr ByteLimit kInfoLimit = {int64_t{16} << 20, "a repository's description"};

const json* Field(const json& object, const char* name, json::value_t type) {
  const auto field = object.find(name);
  return field != object.end() && field->type() == type ? &*field : nullptr;
}

std::string Text(const json& object, const char* name) {
  const json* const field = Field(object, name, json::value_t::string);
  return field != nullptr ? field->get<std::string>() : "";
}

bool IsCommit(const std::string& text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

SourceFile FileOf(const json& sibling, const SourceUrl& folder, const std::string& name) {
  SourceFile file;
  file.is_known = true;
  file.url = folder.At(name);
  const json* const size = Field(sibling, "size", json::value_t::number_unsigned);
  if (size != nullptr) file.size_bytes = size->get<int64_t>();
  const json* const lfs = Field(sibling, "lfs", json::value_t::object);
  const std::string sha256 = lfs != nullptr ? Text(*lfs, "sha256") : "";
  if (IsArtifactDigest(sha256)) file.sha256 = sha256;
  return file;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelSource>> OpenHubModelSource(SourceReader& reader, const SourceUrl& mirror,
                                                                std::string_view id,
                                                                std::string_view revision) {
  SourceUrl url =
      mirror.At(absl::StrCat("api/models/", std::string(id), "/revision/", std::string(revision)));
  url.query = "blobs=true";
  const absl::StatusOr<std::string> text = reader.ReadText(url, kInfoLimit);
  if (!text.ok()) return text.status();
  const json info = json::parse(*text, nullptr, /*allow_exceptions=*/false);
  const json* const siblings = info.is_object() ? Field(info, "siblings", json::value_t::array) : nullptr;
  if (siblings == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat(
        "Cannot fetch ", url.Shown(), ": it lists no files (siblings) of a repository; check --hub-mirror."));
  }
  // A branch may move while its files are fetched; a commit does not.
  const std::string sha = Text(info, "sha");
  const SourceUrl folder =
      mirror.At(absl::StrCat(std::string(id), "/resolve/", IsCommit(sha) ? sha : std::string(revision)));
  SourceFiles files;
  for (const json& sibling : *siblings) {
    if (!sibling.is_object()) continue;
    const std::string name = Text(sibling, "rfilename");
    files[name] = FileOf(sibling, folder, name);
  }
  return std::make_unique<ListedModelSource>(std::move(files));
}

}  // namespace kprune
