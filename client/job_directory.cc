#include "client/job_directory.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/json_text.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"

namespace kprune::client {
namespace {

namespace fs = std::filesystem;

nlohmann::json AbsolutePaths(const std::vector<std::string>& paths) {
  nlohmann::json list = nlohmann::json::array();
  for (const std::string& path : paths) list.push_back(fs::absolute(path).lexically_normal().string());
  return list;
}

}  // namespace

std::string JobJson(const LocalJobSpec& spec) {
  nlohmann::json job = {{"kind", spec.kind},
                        {"model", fs::absolute(spec.model).lexically_normal().string()},
                        {"options", nlohmann::json::parse(ToJson(spec.options, JsonStyle::kSetFields))}};
  if (!spec.data.empty()) job["data"] = AbsolutePaths(spec.data);
  if (!spec.eval.empty()) job["eval"] = AbsolutePaths(spec.eval);
  if (!spec.others.empty()) job["others"] = AbsolutePaths(spec.others);
  if (!spec.bench.is_null()) job["bench"] = spec.bench;
  if (!spec.calibration.is_null()) job["calibration"] = spec.calibration;
  if (!spec.public_key.empty()) job["public_key"] = AbsolutePaths({spec.public_key})[0];
  return job.dump(2) + "\n";
}

absl::Status WriteJob(const LocalJobSpec& spec, const fs::path& folder) {
  const fs::path file = folder / kJobFile;
  std::ofstream stream(file);
  stream << JobJson(spec) << std::flush;
  if (!stream)
    return absl::InternalError(absl::StrCat("cannot write ", file.string(), "; is the disk full?"));
  return absl::OkStatus();
}

absl::StatusOr<JobDirectory> JobDirectory::Create(const fs::path& parent) {
  const fs::path absolute = fs::absolute(parent).lexically_normal();
  std::vector<fs::path> created;
  std::error_code error;
  for (fs::path folder = absolute; !fs::exists(folder, error) && folder.has_relative_path();
       folder = folder.parent_path()) {
    if (folder.has_filename()) created.push_back(folder);
  }
  fs::create_directories(absolute, error);
  std::string name = (absolute / ".kprune-XXXXXX").string();
  if (error || mkdtemp(name.data()) == nullptr) {
    const std::string reason =
        error ? error.message() : std::error_code(errno, std::generic_category()).message();
    return absl::PermissionDeniedError(absl::StrCat("cannot create a folder in ", absolute.string(), " (",
                                                    reason, "); name a place that can be written"));
  }
  return JobDirectory(name, std::move(created));
}

absl::StatusOr<JobDirectory> JobDirectory::CreateTemporary() {
  const char* folder = std::getenv("TMPDIR");
  return Create(folder != nullptr && *folder != '\0' ? folder : "/tmp");
}

JobDirectory::JobDirectory(JobDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})), created_parents_(std::exchange(other.created_parents_, {})) {}

JobDirectory::~JobDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  for (const fs::path& parent : created_parents_)
    fs::remove(parent, ignored);  // leaves folders that are not empty
}

fs::path JobDirectory::result() const { return path_ / kResultDirectory; }

}  // namespace kprune::client
