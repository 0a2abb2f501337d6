#include "client/uploader.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace kprune::client {
namespace {

namespace v1 = kprune::v1;

constexpr int64_t kChunkBytes = 1 << 20;

absl::StatusOr<int64_t> QueryCommitted(const Connection& connection, const std::string& sha256,
                                       bool& complete) {
  CallContext context(connection, CallContext::Kind::kUnary);
  v1::QueryUploadRequest request;
  request.set_sha256(sha256);
  v1::QueryUploadResponse response;
  const absl::Status status =
      connection.Explain(connection.artifacts().QueryUpload(context.get(), request, &response));
  if (!status.ok()) return status;
  complete = response.complete();
  return response.committed_size();
}

absl::StatusOr<std::set<std::string>> FindMissing(const Connection& connection,
                                                  const std::vector<FileToUpload>& files) {
  CallContext context(connection, CallContext::Kind::kUnary);
  v1::FindMissingRequest request;
  for (const FileToUpload& file : files) request.add_sha256(file.entry.sha256());
  v1::FindMissingResponse response;
  const absl::Status status =
      connection.Explain(connection.artifacts().FindMissing(context.get(), request, &response));
  if (!status.ok()) return status;
  return std::set<std::string>(response.sha256().begin(), response.sha256().end());
}

}  // namespace

absl::Status Uploader::UploadMissing(const std::vector<FileToUpload>& files) {
  absl::StatusOr<std::set<std::string>> missing = FindMissing(connection_, files);
  if (!missing.ok()) return missing.status();
  int stored = 0;
  for (const FileToUpload& file : files) {
    if (missing->erase(file.entry.sha256()) == 0) {
      ++stored;
      continue;
    }
    if (absl::Status status = UploadOne(file); !status.ok()) return status;
  }
  if (stored > 0) {
    display_.Note(absl::StrCat(stored, stored == 1 ? " file is" : " files are", " already on the server"));
  }
  return absl::OkStatus();
}

absl::Status Uploader::UploadOne(const FileToUpload& file) {
  Backoff backoff(backoff_);
  int64_t furthest = 0;
  for (;;) {
    int64_t committed = 0;
    const absl::Status status = TryUpload(file, &committed);
    if (committed > furthest) backoff.Reset();
    furthest = std::max(furthest, committed);
    if (status.ok()) {
      display_.End();
      return status;
    }
    display_.Close();
    // ABORTED: another writer moved the committed size; the next try asks for it again.
    if (!(IsTransient(status) || absl::IsAborted(status)) || backoff.exhausted()) return status;
    if (absl::Status slept = connection_.interrupt().SleepFor(backoff.Next()); !slept.ok()) return slept;
  }
}

absl::Status Uploader::TryUpload(const FileToUpload& file, int64_t* committed) {
  bool complete = false;
  const absl::StatusOr<int64_t> answer = QueryCommitted(connection_, file.entry.sha256(), complete);
  if (!answer.ok()) return answer.status();
  *committed = *answer;
  int64_t offset = complete ? file.entry.size() : *committed;
  display_.Begin(file.entry.name(), offset, file.entry.size());
  if (complete) return absl::OkStatus();

  std::ifstream stream(file.path, std::ios::binary);
  stream.seekg(offset);
  if (!stream) return absl::NotFoundError(absl::StrCat("cannot read ", file.path.string()));
  CallContext context(connection_, CallContext::Kind::kStream);
  v1::UploadResponse response;
  const auto writer = connection_.artifacts().Upload(context.get(), &response);
  v1::UploadRequest request;
  request.mutable_header()->set_sha256(file.entry.sha256());
  request.mutable_header()->set_size(file.entry.size());
  request.mutable_header()->set_offset(offset);
  bool open = writer->Write(request);
  while (open && offset < file.entry.size()) {
    std::string& chunk = *request.mutable_chunk();
    chunk.resize(static_cast<size_t>(std::min(kChunkBytes, file.entry.size() - offset)));
    stream.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    if (stream.gcount() != static_cast<std::streamsize>(chunk.size())) {
      context.get()->TryCancel();
      (void)writer->Finish();
      return absl::DataLossError(
          absl::StrCat(file.path.string(), " became shorter while it was sent; submit again"));
    }
    open = writer->Write(request);
    offset += static_cast<int64_t>(chunk.size());
    display_.Advance(offset);
  }
  writer->WritesDone();
  return connection_.Explain(writer->Finish());
}

}  // namespace kprune::client
