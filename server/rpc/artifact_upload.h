// One call of ArtifactService.Upload. Messages are read while earlier ones are hashed and written on the
// pool: kMessages of them are in memory, and a client that is faster than the disk waits.
#ifndef KPRUNE_SERVER_RPC_ARTIFACT_UPLOAD_H_
#define KPRUNE_SERVER_RPC_ARTIFACT_UPLOAD_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "kprune/metrics.h"
#include "kprune/tenant_artifacts.h"
#include "kprune/v1/artifact_service.grpc.pb.h"
#include "server/rpc/blocking_pool.h"
#include "server/rpc/gate.h"
#include "server/rpc/stall_watch.h"

namespace kprune {

// Deletes itself when the call is done. A read and the handling of what was read before it run at the same
// time.
class UploadReactor final : public grpc::ServerReadReactor<v1::UploadRequest> {
 public:
  // For `tenant`.
  UploadReactor(TenantArtifacts* artifacts, std::string tenant, Metrics* metrics, BlockingPool* pool,
                const absl::Notification* draining, StallWatch* stalls, Gate* gate,
                grpc::ServerContextBase* context, v1::UploadResponse* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override { cancelled_ = true; }
  void OnDone() override;

 private:
  static constexpr int64_t kMessages = 4;

  // With mutex_ held: has the next message read where there is room for it.
  void ReadNext();

  // Run on the pool, one at a time; after Finish `this` may be gone.
  void Work();
  absl::Status Handle(const v1::UploadRequest& message);
  void HandleEnd();
  void End(const absl::Status& status);

  absl::Status Begin(const v1::UploadRequest::Header& header);
  absl::Status Append(const std::string& chunk);

  // Constant after construction.
  TenantArtifacts* const artifacts_;
  const std::string tenant_;
  Metrics* const metrics_;
  BlockingPool* const pool_;
  const absl::Notification* const draining_;
  Gate* const gate_;
  grpc::ServerContextBase* const context_;  // until Finish
  v1::UploadResponse* const response_;

  StallWatch::Stream stream_;
  std::atomic<bool> cancelled_{false};

  // A ring: the messages from handled_ to arrived_ wait or are being handled, the next one belongs to gRPC
  // while reading_.
  std::array<v1::UploadRequest, kMessages> messages_;

  // Held while StallWatch's is taken, and so by no reaction that may run inside its cancelling: OnCancel and
  // OnDone.
  std::mutex mutex_;
  // Guarded by mutex_.
  int64_t arrived_ = 0, handled_ = 0;
  bool reading_ = false;
  bool no_more_ = false;   // the client said so, or is gone
  bool working_ = false;   // Work is scheduled or runs
  bool finished_ = false;  // or about to be

  // Of Work, and of OnDone after it.
  v1::UploadRequest::Header header_;
  std::unique_ptr<ArtifactUpload> upload_;
  bool begun_ = false;
  bool stored_before_ = false;
  // The client ended the stream before the last byte; OnDone tells whether it meant to.
  bool ended_early_ = false;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_RPC_ARTIFACT_UPLOAD_H_
