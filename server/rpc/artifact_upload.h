// One call of ArtifactService.Upload. Reads a message, has it written on the pool, reads the next: one
// message is in memory, and a client that is faster than the disk waits.
#ifndef KPRUNE_SERVER_RPC_ARTIFACT_UPLOAD_H_
#define KPRUNE_SERVER_RPC_ARTIFACT_UPLOAD_H_

#include <atomic>
#include <memory>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "kprune/artifact_store.h"
#include "kprune/metrics.h"
#include "kprune/v1/artifact_service.grpc.pb.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/stall_watch.h"

namespace kprune {

// Deletes itself when the call is done. gRPC calls one reaction at a time, except OnCancel, which may come at
// any time.
class UploadReactor final : public grpc::ServerReadReactor<v1::UploadRequest> {
 public:
  UploadReactor(ArtifactStore* store, Metrics* metrics, BlockingPool* pool,
                const absl::Notification* draining, StallWatch* stalls, grpc::ServerContextBase* context,
                v1::UploadResponse* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override;

 private:
  void ReadNext();

  // These run on the pool and end with exactly one StartRead or Finish, after which `this` may be gone.
  void HandleMessage();
  void HandleEnd();

  absl::Status Begin(const v1::UploadRequest::Header& header);
  absl::Status Append(const std::string& chunk);

  // Constant after construction.
  ArtifactStore* const store_;
  Metrics* const metrics_;
  BlockingPool* const pool_;
  const absl::Notification* const draining_;
  v1::UploadResponse* const response_;

  StallWatch::Stream stream_;
  std::atomic<bool> cancelled_{false};

  v1::UploadRequest message_;
  v1::UploadRequest::Header header_;
  std::unique_ptr<ArtifactUpload> upload_;
  bool begun_ = false;
  bool stored_before_ = false;
  // The client ended the stream before the last byte; OnDone tells whether it meant to.
  bool ended_early_ = false;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_ARTIFACT_UPLOAD_H_
