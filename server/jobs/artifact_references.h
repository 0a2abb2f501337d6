// Keeps artifacts that jobs refer to from being deleted. Between finding an artifact stored and committing a
// job that refers to it no deletion may come: whoever adds a reference holds the shared side, whoever deletes
// holds the exclusive one.
#ifndef KPRUNE_SERVER_JOBS_ARTIFACT_REFERENCES_H_
#define KPRUNE_SERVER_JOBS_ARTIFACT_REFERENCES_H_

#include <mutex>
#include <shared_mutex>

namespace kprune {

// Thread-safe.
class ArtifactReferences {
 public:
  // Hold while checking or storing artifacts and then committing the job that refers to them.
  std::shared_lock<std::shared_mutex> AddingReferences() { return std::shared_lock(mutex_); }

  // Hold while deleting a job and the artifacts that only it referred to.
  std::unique_lock<std::shared_mutex> Deleting() { return std::unique_lock(mutex_); }

 private:
  std::shared_mutex mutex_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_ARTIFACT_REFERENCES_H_
