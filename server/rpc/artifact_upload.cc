#include "server/rpc/artifact_upload.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/artifact_service.h"
#include "server/rpc/status_mapping.h"

namespace kprune {

UploadReactor::UploadReactor(ArtifactStore* store, Metrics* metrics, BlockingPool* pool,
                             const absl::Notification* draining, StallWatch* stalls,
                             grpc::ServerContextBase* context, v1::UploadResponse* response)
    : store_(store),
      metrics_(metrics),
      pool_(pool),
      draining_(draining),
      response_(response),
      stream_(*stalls, context) {
  ReadNext();
}

void UploadReactor::ReadNext() {
  stream_.WaitForClient();
  StartRead(&message_);
}

void UploadReactor::OnReadDone(bool ok) {
  stream_.ClientMoved();
  pool_->Schedule([this, ok] { ok ? HandleMessage() : HandleEnd(); });
}

void UploadReactor::OnDone() {
  stream_.Leave();
  // Not here: what is left of an upload is committed to the disk, or removed.
  pool_->Schedule([this] {
    if (upload_ != nullptr && ended_early_ && !cancelled_) upload_->Discard();
    delete this;
  });
}

void UploadReactor::HandleMessage() {
  absl::Status status;
  if (!begun_ && message_.has_header()) {
    begun_ = true;
    header_ = message_.header();
    status = Begin(header_);
  } else if (begun_ && message_.content_case() == v1::UploadRequest::kChunk) {
    status = Append(message_.chunk());
  } else {
    status = absl::InvalidArgumentError(
        begun_ ? "a message of the upload has no chunk; every message after the first must"
               : "the first message of an upload has no header; it must have one");
  }
  if (status.ok() && !stored_before_) {
    ReadNext();
    return;
  }
  // Free for the next writer before the client hears of it.
  upload_.reset();
  Finish(ToGrpcStatus(status));
}

absl::Status UploadReactor::Begin(const v1::UploadRequest::Header& header) {
  if (draining_->HasBeenNotified()) {
    return absl::UnavailableError(
        "the server is shutting down and takes no new upload; try again in a moment");
  }
  auto upload = store_->BeginUpload(header.sha256(), header.size(), header.offset());
  if (!upload.ok()) return upload.status();
  upload_ = *std::move(upload);
  stored_before_ = upload_ == nullptr;
  response_->set_sha256(header.sha256());
  response_->set_size(header.size());
  response_->set_already_stored(stored_before_);
  return absl::OkStatus();
}

absl::Status UploadReactor::Append(const std::string& chunk) {
  const int64_t size = static_cast<int64_t>(chunk.size());
  if (size > kMaxChunkBytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("chunk has ", size, " bytes; at most ", kMaxChunkBytes, " are accepted"));
  }
  const absl::Status appended = upload_->Append(chunk);
  if (appended.ok()) metrics_->OnBytesTransferred(Direction::kUpload, size);
  return appended;
}

void UploadReactor::HandleEnd() {
  if (cancelled_) {
    Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone"));
    return;
  }
  if (!begun_) {
    Finish(ToGrpcStatus(
        absl::InvalidArgumentError("the upload has no message; the first one carries its header")));
    return;
  }
  if (upload_->size_bytes() < header_.size()) {
    // A broken connection looks the same from here, and must keep what it sent.
    ended_early_ = true;
    Finish(ToGrpcStatus(absl::InvalidArgumentError(
        absl::StrCat("the upload of artifact ", header_.sha256(), " ended at ", upload_->size_bytes(),
                     " of its declared ", header_.size(), " bytes and is removed; send it again, whole"))));
    return;
  }
  const absl::StatusOr<Artifact> artifact = upload_->Finish();
  upload_.reset();
  Finish(ToGrpcStatus(artifact.status()));
}

}  // namespace kprune
