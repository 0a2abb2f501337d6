// The directory that a worker works in, as include/kprune/worker_protocol.h describes it.
#ifndef KPRUNE_SERVER_JOBS_JOB_DIRECTORY_H_
#define KPRUNE_SERVER_JOBS_JOB_DIRECTORY_H_

#include <filesystem>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/artifact_store.h"
#include "kprune/job.h"

namespace kprune {

// One job directory; removed with everything in it when its owner goes, unless Leave was called. Movable.
class JobDirectory {
 public:
  // Makes `path` (which must not exist) with the input's files as links to their artifacts, and job.json of
  // that `kind` and, where it is not empty, with that `name` of the job ("jobs/ID"). Names of files come from
  // the allow-list of layout.h, whatever the manifest says. FAILED_PRECONDITION names a file whose artifact
  // is not stored; RESOURCE_EXHAUSTED: the disk is full; INTERNAL: it failed.
  static absl::StatusOr<JobDirectory> LayOut(std::filesystem::path path, std::string_view kind,
                                             const JobInput& input, ArtifactStore& artifacts,
                                             std::string_view name = "");

  JobDirectory(JobDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  JobDirectory& operator=(JobDirectory&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~JobDirectory();

  // Asks the worker in the job directory `path` to end with what is finished. Nothing happens where there is
  // no such directory. INTERNAL: the disk failed.
  static absl::Status AskToEndEarly(const std::filesystem::path& path);

  // Gives it up without removing it.
  void Leave() { path_.clear(); }

  const std::filesystem::path& path() const { return path_; }

 private:
  explicit JobDirectory(std::filesystem::path path) : path_(std::move(path)) {}

  std::filesystem::path path_;  // empty after a move, and after Leave
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_JOB_DIRECTORY_H_
