// The checkpoint of a pruning job (include/kprune/worker_protocol.h): of its only model, or, where it makes
// several, in folders of their own, one for each with the finished model beside it.
//
//   scratch/checkpoint/identity.json, sublayer-0000, ...             one model
//   scratch/checkpoint/identity.json                                 several: of the job,
//   scratch/checkpoint/keep-0.70/identity.json, sublayer-0000, ...   of each model,
//   scratch/checkpoint/keep-0.70/model/                              and the model once it is finished
#ifndef KPRUNE_WORKER_JOB_CHECKPOINT_H_
#define KPRUNE_WORKER_JOB_CHECKPOINT_H_

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/pruning/checkpoint.h"

namespace kprune {

// Not thread-safe.
class JobCheckpoint {
 public:
  // As Checkpoint::Open, for a job of one model or of several.
  static absl::StatusOr<std::unique_ptr<JobCheckpoint>> Open(const std::filesystem::path& folder,
                                                             const CheckpointIdentity& identity,
                                                             bool several_models);

  // Of the run that began the checkpoint.
  const CheckpointIdentity& identity() const { return job_->identity(); }

  // Why not everything that was there was taken, in sentences, since the last call.
  std::vector<std::string> TakeWarnings() { return std::exchange(warnings_, {}); }

  // The sublayers of the model that keeps the share `keep`; owned here. Errors are those of Checkpoint::Open.
  absl::StatusOr<Checkpoint*> Of(double keep);

  // Where that model is kept once it is finished: appears by one rename. Only where there are several.
  std::filesystem::path ModelFolder(double keep) const;

  // Deletes everything. Call nothing afterwards.
  absl::Status Remove();

 private:
  JobCheckpoint(std::filesystem::path folder, std::unique_ptr<Checkpoint> job, bool several_models)
      : folder_(std::move(folder)), several_models_(several_models), job_(std::move(job)) {}

  const std::filesystem::path folder_;
  const bool several_models_;
  std::unique_ptr<Checkpoint> job_;
  std::map<std::string, std::unique_ptr<Checkpoint>> models_;  // by the names of their folders
  std::vector<std::string> warnings_;
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_JOB_CHECKPOINT_H_
