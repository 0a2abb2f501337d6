// result/ of a job directory: written aside, visible by one rename when it is complete.
#ifndef KPRUNE_WORKER_RESULT_FOLDER_H_
#define KPRUNE_WORKER_RESULT_FOLDER_H_

#include <filesystem>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Removes what it wrote unless it was published.
class ResultFolder {
 public:
  // An empty folder below `job_directory`'s scratch folder.
  static absl::StatusOr<ResultFolder> Create(const std::filesystem::path& job_directory);
  ResultFolder(ResultFolder&& other) noexcept
      : job_directory_(std::move(other.job_directory_)), path_(std::exchange(other.path_, {})) {}
  ~ResultFolder();

  const std::filesystem::path& path() const { return path_; }

  absl::Status WriteJson(const std::string& name, const nlohmann::json& value) const;

  // Moves the folder `from` into it, as `name`; as all of it where that is "".
  absl::Status Adopt(const std::filesystem::path& from, const std::string& name) const;

  // Makes it another folder of the same job directory; nothing is to be done with it then.
  absl::Status MoveTo(const std::filesystem::path& destination);

  // Makes it the job's result/.
  absl::Status Publish();

 private:
  ResultFolder(std::filesystem::path job_directory, std::filesystem::path path)
      : job_directory_(std::move(job_directory)), path_(std::move(path)) {}

  std::filesystem::path job_directory_;
  std::filesystem::path path_;  // empty once published
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_RESULT_FOLDER_H_
