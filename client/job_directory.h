// A temporary job directory (kprune/worker_protocol.h) for a worker on this machine. Inputs are not copied:
// job.json names the user's own folders.
#ifndef KPRUNE_CLIENT_JOB_DIRECTORY_H_
#define KPRUNE_CLIENT_JOB_DIRECTORY_H_

#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/v1/job.pb.h"
#include "nlohmann/json.hpp"

namespace kprune::client {

// What job.json says; paths as the user gave them.
struct LocalJobSpec {
  std::string kind;  // "prune", "evaluate", ...
  std::string model;
  std::vector<std::string> data;
  std::vector<std::string> eval;
  std::vector<std::string> others;  // kinds "compare" and "bench"
  nlohmann::json bench = {};        // kind "bench"; null leaves it out
  nlohmann::json calibration = {};  // kind "calibrate"; null leaves it out
  std::string public_key = {};      // kind "verify"; "" leaves it out
  kprune::v1::Options options;

  std::string signing_key = {};  // not of job.json, but the worker's --signing-key; "" leaves it out
};

// The text of job.json, with absolute paths.
std::string JobJson(const LocalJobSpec& spec);

// Writes job.json into `folder`.
absl::Status WriteJob(const LocalJobSpec& spec, const std::filesystem::path& folder);

// Owns a folder on disk and removes it, with everything in it, when destroyed. Move-only.
class JobDirectory {
 public:
  // A new folder inside `parent`, which is created where it does not exist (and removed again if it stays
  // empty). Its name starts with ".kprune-". Errors name the parent and what to do.
  static absl::StatusOr<JobDirectory> Create(const std::filesystem::path& parent);

  // A new folder inside TMPDIR, else /tmp.
  static absl::StatusOr<JobDirectory> CreateTemporary();

  JobDirectory(JobDirectory&& other) noexcept;
  JobDirectory& operator=(JobDirectory&&) = delete;
  ~JobDirectory();

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path result() const;

 private:
  JobDirectory(std::filesystem::path path, std::vector<std::filesystem::path> created_parents)
      : path_(std::move(path)), created_parents_(std::move(created_parents)) {}

  std::filesystem::path path_;                          // empty: moved from
  std::vector<std::filesystem::path> created_parents_;  // innermost first
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_JOB_DIRECTORY_H_
