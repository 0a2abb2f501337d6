#include "server/rpc/artifact_download.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kprune/caller.h"
#include "server/artifacts/upload_rules.h"
#include "server/rpc/artifact_service.h"
#include "server/rpc/status_mapping.h"

namespace kprune {

DownloadReactor::DownloadReactor(TenantArtifacts* artifacts, std::string tenant, Metrics* metrics,
                                 BlockingPool* pool, StallWatch* stalls, grpc::ServerContextBase* context,
                                 v1::DownloadRequest request)
    : metrics_(metrics),
      pool_(pool),
      artifacts_(artifacts),
      tenant_(std::move(tenant)),
      request_(std::move(request)),
      stream_(*stalls, context) {
  pool_->Schedule([this] { Open(); });
}

absl::StatusOr<std::unique_ptr<ArtifactReader>> DownloadReactor::OpenArtifact() const {
  // A tenant gets no store by being named.
  const std::vector<std::string> tenants = artifacts_->Tenants();
  if (IsTenantName(request_.tenant()) && std::find(tenants.begin(), tenants.end(), tenant_) == tenants.end())
    return NotStored(request_.sha256());
  const absl::StatusOr<ArtifactStore*> store = artifacts_->Of(tenant_);
  if (!store.ok()) return store.status();
  return (*store)->OpenForRead(request_.sha256(), request_.offset());
}

void DownloadReactor::Open() {
  auto reader = OpenArtifact();
  if (!reader.ok()) {
    Finish(ToGrpcStatus(reader.status()));
    return;
  }
  reader_ = *std::move(reader);
  if (request_.offset() > 0) metrics_->OnTransferResumed(Direction::kDownload);
  message_.set_total_size(reader_->size_bytes());
  SendNext();
}

void DownloadReactor::SendNext() {
  const absl::Status read = reader_->Read(kMaxChunkBytes, message_.mutable_chunk());
  // The first message goes out even when there is no byte to send: it tells the size.
  if (!read.ok() || (message_.chunk().empty() && message_.total_size() == 0)) {
    reader_.reset();
    Finish(ToGrpcStatus(read));
    return;
  }
  metrics_->OnBytesTransferred(Direction::kDownload, static_cast<int64_t>(message_.chunk().size()));
  stream_.WaitForClient();
  StartWrite(&message_);
}

void DownloadReactor::OnWriteDone(bool ok) {
  stream_.ClientMoved();
  if (!ok) {
    Finish(grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone"));
    return;
  }
  message_.set_total_size(0);
  pool_->Schedule([this] { SendNext(); });
}

}  // namespace kprune
