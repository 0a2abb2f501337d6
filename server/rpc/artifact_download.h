// One call of ArtifactService.Download. Reads a chunk on the pool, has it sent, reads the next: one chunk is
// in memory, and a slow client costs nothing else.
#ifndef KPRUNE_SERVER_RPC_ARTIFACT_DOWNLOAD_H_
#define KPRUNE_SERVER_RPC_ARTIFACT_DOWNLOAD_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kprune/metrics.h"
#include "kprune/tenant_artifacts.h"
#include "kprune/v1/artifact_service.grpc.pb.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/stall_watch.h"

namespace kprune {

// Deletes itself when the call is done. gRPC calls one reaction at a time.
class DownloadReactor final : public grpc::ServerWriteReactor<v1::DownloadResponse> {
 public:
  // Of an artifact of `tenant`.
  DownloadReactor(TenantArtifacts* artifacts, std::string tenant, Metrics* metrics, BlockingPool* pool,
                  StallWatch* stalls, grpc::ServerContextBase* context, v1::DownloadRequest request);

  void OnWriteDone(bool ok) override;
  void OnDone() override { delete this; }

 private:
  // Run on the pool and end with exactly one StartWrite or Finish, after which `this` may be gone.
  void Open();
  void SendNext();

  absl::StatusOr<std::unique_ptr<ArtifactReader>> OpenArtifact() const;

  // Constant after construction.
  Metrics* const metrics_;
  BlockingPool* const pool_;
  TenantArtifacts* const artifacts_;
  const std::string tenant_;
  const v1::DownloadRequest request_;

  StallWatch::Stream stream_;
  std::unique_ptr<ArtifactReader> reader_;
  v1::DownloadResponse message_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_ARTIFACT_DOWNLOAD_H_
