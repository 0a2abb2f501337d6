// kprune.v1.ArtifactService over the ArtifactStore of the caller's tenant; an admin downloads from any
// tenant's. A stream holds few chunks in memory at a time; files are touched on a pool of its own, never on
// gRPC's threads. A stream that breaks leaves what it committed, and nothing open.
#ifndef KPRUNE_SERVER_RPC_ARTIFACT_SERVICE_H_
#define KPRUNE_SERVER_RPC_ARTIFACT_SERVICE_H_

#include <cstdint>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "kprune/metrics.h"
#include "kprune/tenant_artifacts.h"
#include "kprune/v1/artifact_service.grpc.pb.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/gate.h"
#include "server/rpc/stall_watch.h"

namespace kprune {

// Largest chunk of Upload and Download.
inline constexpr int64_t kMaxChunkBytes = 1 << 20;
// Most digests of one FindMissing.
inline constexpr int kMaxDigestsPerCall = 10000;

// Thread-safe. Borrows everything it is given; destroy the gRPC server first, then this, then those.
class ArtifactServiceImpl final : public v1::ArtifactService::CallbackService {
 public:
  // Uploads are refused with UNAVAILABLE once `draining` is notified. A stream whose client neither sends nor
  // takes a chunk for `stall_limit` is cancelled; zero: never.
  ArtifactServiceImpl(TenantArtifacts* artifacts, Metrics* metrics, const absl::Notification* draining,
                      Gate* gate, absl::Duration stall_limit = absl::Minutes(2));

  grpc::ServerUnaryReactor* FindMissing(grpc::CallbackServerContext* context,
                                        const v1::FindMissingRequest* request,
                                        v1::FindMissingResponse* response) override;
  grpc::ServerReadReactor<v1::UploadRequest>* Upload(grpc::CallbackServerContext* context,
                                                     v1::UploadResponse* response) override;
  grpc::ServerUnaryReactor* QueryUpload(grpc::CallbackServerContext* context,
                                        const v1::QueryUploadRequest* request,
                                        v1::QueryUploadResponse* response) override;
  grpc::ServerWriteReactor<v1::DownloadResponse>* Download(grpc::CallbackServerContext* context,
                                                           const v1::DownloadRequest* request) override;

 private:
  // Constant after construction.
  TenantArtifacts* const artifacts_;
  Metrics* const metrics_;
  const absl::Notification* const draining_;
  Gate* const gate_;

  StallWatch stalls_;
  BlockingPool pool_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_ARTIFACT_SERVICE_H_
