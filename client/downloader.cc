#include "client/downloader.h"

#include <cstdint>
#include <string>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "client/file_digest.h"
#include "kprune/layout.h"

namespace kprune::client {
namespace {

namespace fs = std::filesystem;
namespace v1 = kprune::v1;

bool IsThere(const fs::path& path, const v1::File& file) {
  std::error_code error;
  if (fs::file_size(path, error) != static_cast<uintmax_t>(file.size()) || error) return false;
  const absl::StatusOr<std::string> digest = Sha256OfFile(path);
  return digest.ok() && *digest == file.sha256();
}

}  // namespace

absl::Status Downloader::DownloadAll(const std::vector<v1::File>& files, const fs::path& folder) {
  for (const v1::File& file : files) {
    if (!IsAllowedName(FileRole::kResult, file.name())) {
      return absl::InvalidArgumentError(absl::StrCat("the server names a result file \"", file.name(),
                                                     "\", which no result has; nothing was written"));
    }
    if (absl::Status status = DownloadOne(file, folder / file.name()); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Downloader::DownloadOne(const v1::File& file, const fs::path& target) {
  if (IsThere(target, file)) return absl::OkStatus();
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  const fs::path unfinished = target.string() + ".part";
  PartFile part(unfinished);
  if (absl::Status opened = part.Open(file.size()); !opened.ok()) return opened;
  Backoff backoff(backoff_);
  for (;;) {
    const int64_t before = part.size_bytes();
    const absl::Status status = TryDownload(file, part);
    if (status.ok()) break;
    if (part.size_bytes() > before) backoff.Reset();
    display_.Close();
    if (!IsTransient(status) || backoff.exhausted()) return status;
    if (absl::Status slept = connection_.interrupt().SleepFor(backoff.Next()); !slept.ok()) return slept;
  }
  if (absl::Status synced = part.Sync(); !synced.ok()) return synced;
  if (part.Digest() != file.sha256()) {
    fs::remove(unfinished, error);
    return absl::DataLossError(absl::StrCat(file.name(), " arrived with another SHA-256 than ", file.sha256(),
                                            "; it was removed, fetch again"));
  }
  fs::rename(unfinished, target, error);
  if (error)
    return absl::InternalError(absl::StrCat("cannot write ", target.string(), ": ", error.message()));
  display_.End();
  return absl::OkStatus();
}

absl::Status Downloader::TryDownload(const v1::File& file, PartFile& part) {
  display_.Begin(file.name(), part.size_bytes(), file.size());
  if (part.size_bytes() == file.size()) return absl::OkStatus();
  CallContext context(connection_, CallContext::Kind::kStream);
  v1::DownloadRequest request;
  request.set_sha256(file.sha256());
  request.set_offset(part.size_bytes());
  request.set_tenant(tenant_);
  const auto reader = connection_.artifacts().Download(context.get(), request);
  v1::DownloadResponse response;
  while (reader->Read(&response)) {
    if (absl::Status written = part.Append(response.chunk()); !written.ok()) {
      context.get()->TryCancel();
      (void)reader->Finish();
      return written;
    }
    display_.Advance(part.size_bytes());
  }
  return connection_.Explain(reader->Finish());
}

}  // namespace kprune::client
