#include "server/rpc/artifact_upload.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/quota.h"
#include "server/rpc/artifact_service.h"
#include "server/rpc/status_mapping.h"

namespace kprune {

UploadReactor::UploadReactor(TenantArtifacts* artifacts, std::string tenant, Metrics* metrics,
                             BlockingPool* pool, const absl::Notification* draining, StallWatch* stalls,
                             Gate* gate, grpc::ServerContextBase* context, v1::UploadResponse* response)
    : artifacts_(artifacts),
      tenant_(std::move(tenant)),
      metrics_(metrics),
      pool_(pool),
      draining_(draining),
      gate_(gate),
      context_(context),
      response_(response),
      stream_(*stalls, context) {
  std::lock_guard lock(mutex_);
  ReadNext();
}

void UploadReactor::ReadNext() {
  // The header alone at first: where the upload is refused, or not needed, no bytes are sent in vain.
  const int64_t most = handled_ == 0 ? 1 : kMessages;
  if (reading_ || no_more_ || finished_ || arrived_ - handled_ == most) return;
  reading_ = true;
  stream_.WaitForClient();
  StartRead(&messages_[arrived_ % kMessages]);
}

void UploadReactor::OnReadDone(bool ok) {
  stream_.ClientMoved();
  std::lock_guard lock(mutex_);
  reading_ = false;
  if (finished_) return;
  if (ok) {
    ++arrived_;
    ReadNext();
  } else {
    no_more_ = true;
  }
  if (working_) return;
  working_ = true;
  pool_->Schedule([this] { Work(); });
}

void UploadReactor::OnDone() {
  stream_.Leave();
  // Not here: what is left of an upload is committed to the disk, or removed.
  pool_->Schedule([this] {
    if (upload_ != nullptr && ended_early_ && !cancelled_) upload_->Discard();
    delete this;
  });
}

void UploadReactor::Work() {
  v1::UploadRequest* message = nullptr;
  {
    std::lock_guard lock(mutex_);
    if (handled_ < arrived_) message = &messages_[handled_ % kMessages];
  }
  if (message == nullptr) return HandleEnd();
  const absl::Status status = Handle(*message);
  if (!status.ok() || stored_before_) return End(status);
  message->Clear();
  {
    std::lock_guard lock(mutex_);
    ++handled_;
    ReadNext();
    working_ = handled_ < arrived_ || no_more_;
    if (!working_) return;
  }
  // Not at once: other streams have their turn.
  pool_->Schedule([this] { Work(); });
}

void UploadReactor::End(const absl::Status& status) {
  if (const std::optional<std::string> quota = RefusedQuota(status)) metrics_->OnQuotaRefused(*quota);
  // Free for the next writer before the client hears of it.
  upload_.reset();
  {
    std::lock_guard lock(mutex_);
    finished_ = true;
  }
  Finish(ToGrpcStatus(status));
}

absl::Status UploadReactor::Handle(const v1::UploadRequest& message) {
  if (!begun_ && message.has_header()) {
    begun_ = true;
    header_ = message.header();
    return Begin(header_);
  }
  if (begun_ && message.content_case() == v1::UploadRequest::kChunk) return Append(message.chunk());
  return absl::InvalidArgumentError(
      begun_ ? "a message of the upload has no chunk; every message after the first must"
             : "the first message of an upload has no header; it must have one");
}

absl::Status UploadReactor::Begin(const v1::UploadRequest::Header& header) {
  gate_->NameResource(*context_, header.sha256());
  if (draining_->HasBeenNotified()) {
    return absl::UnavailableError(
        "the server is shutting down and takes no new upload; try again in a moment");
  }
  const absl::StatusOr<ArtifactStore*> store = artifacts_->Of(tenant_);
  if (!store.ok()) return store.status();
  auto upload = (*store)->BeginUpload(header.sha256(), header.size(), header.offset());
  if (!upload.ok()) return upload.status();
  upload_ = *std::move(upload);
  stored_before_ = upload_ == nullptr;
  if (!stored_before_ && header.offset() > 0) metrics_->OnTransferResumed(Direction::kUpload);
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
