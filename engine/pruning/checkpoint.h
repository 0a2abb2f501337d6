// What a pruning job has finished, in a folder to which the pruning loop adds one file after each sublayer,
// and from which a later run of the same job goes on. Not the model's weights: those are in
// engine/formats/checkpoint.h.
//
// Files: identity.json, notes.json where there are notes, and sublayer-0000, sublayer-0001, ... Each carries
// a SHA-256 digest of its contents, and each sublayer's contents the digest of the file before it: what is
// read back is a prefix of one history of one job, bit for bit. Files appear by renaming, so a process that
// dies at any moment leaves a folder that opens.
#ifndef KPRUNE_ENGINE_PRUNING_CHECKPOINT_H_
#define KPRUNE_ENGINE_PRUNING_CHECKPOINT_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/pruning/sublayer_file.h"
#include "nlohmann/json.hpp"

namespace kprune {

// What must be the same for the result to be byte-identical.
struct CheckpointIdentity {
  // Decides whether a checkpoint is of this job: digests of the inputs, options, device, library version. An
  // object.
  nlohmann::json job;

  // What the run chose for itself. Not compared: a checkpoint hands its own back, to be replayed.
  int threads = 0;
  std::string precision;
  std::string rounding;            // ToString(Rounding)
  int64_t memory_limit_bytes = 0;  // 0 means none
};

// Not thread-safe, and one process at a time: whoever opens a folder may delete what another has just added.
class Checkpoint {
 public:
  // Opens the checkpoint in `folder`, which is created where it is missing. Starts over, with a warning,
  // where the folder is of another job or its identity.json is damaged; drops, with a warning, the first
  // damaged or missing sublayer and all after it. What is dropped is deleted; files of other names are left
  // alone. INVALID_ARGUMENT where identity.job is no object or not to be had as JSON; other errors where the
  // folder cannot be read or written.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> Open(const std::filesystem::path& folder,
                                                          const CheckpointIdentity& identity);
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  // As recorded when the job first began: the one that was given to Open, or the one to be replayed.
  const CheckpointIdentity& identity() const { return identity_; }

  // Why Open did not take everything that was there, in sentences; empty when it did.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Finished sublayers: 0 .. size() - 1.
  int size() const { return static_cast<int>(digests_.size()) - 1; }

  // What the run found out before its first sublayer, as last given to SetNotes; null where there is nothing.
  const nlohmann::json& notes() const { return notes_; }
  // Once this returns OK, the notes survive the death of the process and of the machine; numbers come back
  // bit for bit. RESOURCE_EXHAUSTED where the disk is full.
  absl::Status SetNotes(const nlohmann::json& notes);

  // Reads a finished sublayer back, from its file. OUT_OF_RANGE for others; DATA_LOSS where the file is no
  // longer what Open or Append saw.
  absl::StatusOr<SublayerCheckpoint> Read(int index) const;

  // Adds sublayer size(). Once this returns OK, the sublayer survives the death of the process and of the
  // machine. INVALID_ARGUMENT for a record that contradicts itself, or is not of sublayer size();
  // RESOURCE_EXHAUSTED where the disk is full. After an error the checkpoint is as it was.
  absl::Status Append(const SublayerCheckpoint& record);

  // Deletes the checkpoint, and the folder unless it holds files of other names. Call nothing afterwards.
  absl::Status Remove();

 private:
  Checkpoint(std::filesystem::path folder, CheckpointIdentity identity)
      : folder_(std::move(folder)), identity_(std::move(identity)) {}

  // The steps of Open. LoadIdentity tells whether there is a job to go on with.
  absl::Status CreateFolder();
  absl::StatusOr<bool> LoadIdentity();
  absl::Status StartOver();
  absl::Status LoadNotes();
  absl::Status LoadSublayers();

  // Deletes unfinished files and the sublayers from `first` on; returns the number of these.
  absl::StatusOr<int> DeleteFrom(int first);
  // INVALID_ARGUMENT and NOT_FOUND mean damage.
  absl::StatusOr<ParsedSublayer> ReadSublayer(int index) const;
  std::filesystem::path PathOf(int index) const;

  const std::filesystem::path folder_;
  CheckpointIdentity identity_;
  nlohmann::json notes_;
  std::vector<std::string> warnings_;
  std::vector<std::string> digests_;  // of the identity, then of the sublayers' files
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_CHECKPOINT_H_
