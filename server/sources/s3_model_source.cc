// ListObjectsV2: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
#include <cctype>
#include <pugixml.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/sources/listed_model_source.h"
#include "server/sources/model_source.h"

namespace kprune {
namespace {

constexpr ByteLimit kPageLimit = {int64_t{8} << 20, "a page of a list"};
// Of a thousand objects each: a model's folder has a few dozen.
constexpr int kMostPages = 10;

// UriEncode of Signature Version 4: everything but unreserved characters, and slashes where they divide.
std::string Encode(std::string_view text, bool keep_slashes) {
  std::string encoded;
  for (const unsigned char c : text) {
    const bool plain =
        std::isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~' || (c == '/' && keep_slashes);
    absl::StrAppend(&encoded, plain ? std::string(1, static_cast<char>(c)) : absl::StrFormat("%%%02X", c));
  }
  return encoded;
}

// One page of the list; the token of the next one, empty after the last.
absl::StatusOr<std::string> ReadPage(const std::string& xml, const std::string& prefix,
                                     const SourceUrl& bucket, SourceFiles& files) {
  pugi::xml_document document;
  const pugi::xml_node list =
      document.load_buffer(xml.data(), xml.size()) ? document.child("ListBucketResult") : pugi::xml_node();
  if (!list)
    return absl::FailedPreconditionError(absl::StrCat(
        "Cannot list ", bucket.Shown(), ": its host answered no list of objects; check --s3-endpoint."));
  for (const pugi::xml_node object : list.children("Contents")) {
    const std::string key = object.child_value("Key");
    if (!key.starts_with(prefix)) continue;
    SourceFile file;
    file.is_known = true;
    file.url = bucket.At(Encode(key, /*keep_slashes=*/true));
    file.size_bytes = object.child("Size").text().as_llong();
    files[key.substr(prefix.size())] = file;
  }
  const bool more = std::string_view(list.child_value("IsTruncated")) == "true";
  return std::string(more ? list.child_value("NextContinuationToken") : "");
}

}  // namespace

SourceUrl S3BucketUrl(const SourceUrl& endpoint, std::string_view bucket) {
  SourceUrl url = endpoint.At(bucket);
  url.path += '/';
  return url;
}

absl::StatusOr<std::unique_ptr<ModelSource>> OpenS3ModelSource(SourceReader& reader,
                                                               const SourceUrl& endpoint,
                                                               const SourceUrl& folder) {
  const SourceUrl bucket = S3BucketUrl(endpoint, folder.host);
  const std::string prefix = folder.path.substr(1);
  SourceFiles files;
  std::string token;
  for (int page = 0; page < kMostPages; ++page) {
    SourceUrl url = bucket;
    // Sorted by name, as the signature wants them.
    url.query = absl::StrCat(token.empty() ? "" : "continuation-token=" + Encode(token, false) + "&",
                             "list-type=2&prefix=", Encode(prefix, false));
    const absl::StatusOr<std::string> xml = reader.ReadText(url, kPageLimit);
    if (!xml.ok()) return xml.status();
    absl::StatusOr<std::string> next = ReadPage(*xml, prefix, bucket, files);
    if (!next.ok()) return next.status();
    if (next->empty()) return std::make_unique<ListedModelSource>(std::move(files));
    token = *std::move(next);
  }
  return absl::FailedPreconditionError(absl::StrCat(folder.Shown(), " has more than ", kMostPages,
                                                    " pages of objects; name the folder of one model."));
}

}  // namespace kprune
