#include "server/jobs/job_directory.h"

#include <fstream>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "kprune/layout.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"
#include "server/log.h"

namespace kprune {
namespace {

absl::Status DiskError(const std::filesystem::path& path, const std::error_code& error) {
  return absl::InternalError(absl::StrCat("Cannot make ", path.string(), ": ", error.message(), "."));
}

absl::Status LinkFiles(const Manifest& files, FileRole role, const std::filesystem::path& folder,
                       ArtifactStore& artifacts) {
  for (const FileEntry& file : files) {
    if (!IsAllowedName(role, file.name)) {
      return absl::InvalidArgumentError(absl::StrCat("File name \"", file.name, "\" is not accepted."));
    }
    const std::filesystem::path destination = folder / file.name;
    std::error_code error;
    std::filesystem::create_directories(destination.parent_path(), error);
    if (error) return DiskError(destination.parent_path(), error);
    absl::Status status = artifacts.LinkTo(file.sha256, destination);
    if (absl::IsNotFound(status)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "File ", file.name, " is not stored (any more): upload artifact ", file.sha256, " again."));
    }
    if (absl::IsResourceExhausted(status)) {
      return absl::ResourceExhaustedError(absl::StrCat("The server's disk has no room for file ", file.name,
                                                       " of the job; try again later."));
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

nlohmann::json Paths(std::string_view folder, const Manifest& files) {
  nlohmann::json paths = nlohmann::json::array();
  for (const FileEntry& file : files) paths.push_back(std::string(folder) + "/" + file.name);
  return paths;
}

absl::Status WriteJobFile(const std::filesystem::path& file, std::string_view kind, std::string_view name,
                          const JobInput& input) {
  nlohmann::json options = nlohmann::json::parse(input.options_json, nullptr, /*allow_exceptions=*/false);
  if (!options.is_object()) return absl::InvalidArgumentError("The options are no JSON object.");
  nlohmann::json job = {{"kind", kind},
                        {"model", "model"},
                        {"data", Paths("data", input.data)},
                        {"eval", Paths("eval", input.eval)},
                        {"options", std::move(options)}};
  if (!name.empty()) job["name"] = name;
  if (!input.trace_parent.empty()) job["trace_parent"] = input.trace_parent;
  std::ofstream out(file, std::ios::binary);
  out << job.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  out.close();
  return out ? absl::OkStatus() : absl::InternalError(absl::StrCat("Cannot write ", file.string(), "."));
}

}  // namespace

absl::StatusOr<JobDirectory> JobDirectory::LayOut(std::filesystem::path path, std::string_view kind,
                                                  const JobInput& input, ArtifactStore& artifacts,
                                                  std::string_view name) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (!error && !std::filesystem::create_directory(path, error) && !error) {
    error = std::make_error_code(std::errc::file_exists);
  }
  if (error) return DiskError(path, error);
  JobDirectory directory(std::move(path));
  const std::filesystem::path& root = directory.path();
  absl::Status status = LinkFiles(input.model, FileRole::kModel, root / "model", artifacts);
  if (status.ok()) status = LinkFiles(input.data, FileRole::kData, root / "data", artifacts);
  if (status.ok()) status = LinkFiles(input.eval, FileRole::kData, root / "eval", artifacts);
  if (status.ok()) status = WriteJobFile(root / kJobFile, kind, name, input);
  if (!status.ok()) return status;
  return directory;
}

absl::Status JobDirectory::AskToEndEarly(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return absl::OkStatus();
  const std::filesystem::path file = path / kEndEarlyFile;
  return std::ofstream(file) ? absl::OkStatus()
                             : absl::InternalError(absl::StrCat("Cannot write ", file.string(), "."));
}

JobDirectory::~JobDirectory() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  if (error) LogWarning("job-directory-left", {{"path", path_.string()}, {"reason", error.message()}});
}

}  // namespace kprune
