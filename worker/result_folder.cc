#include "worker/result_folder.h"

#include "absl/strings/str_cat.h"
#include "engine/formats/file.h"
#include "kprune/worker_protocol.h"

namespace kprune {
namespace {

absl::Status Failed(const std::string& what, const std::error_code& error) {
  return absl::InternalError(absl::StrCat(what, ": ", error.message()));
}

}  // namespace

absl::StatusOr<ResultFolder> ResultFolder::Create(const std::filesystem::path& job_directory) {
  const std::filesystem::path path = job_directory / kScratchDirectory / kResultDirectory;
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (!error) std::filesystem::create_directories(path, error);
  if (error) return Failed(absl::StrCat("cannot create ", path.string()), error);
  return ResultFolder(job_directory, path);
}

ResultFolder::~ResultFolder() {
  std::error_code ignored;  // scratch/ goes with the job directory anyway
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

absl::Status ResultFolder::WriteJson(const std::string& name, const nlohmann::json& value) const {
  return WriteFileDurably(path_ / name, value.dump(2) + "\n");
}

absl::Status ResultFolder::Adopt(const std::filesystem::path& from, const std::string& name) const {
  std::error_code error;
  if (name.empty()) std::filesystem::remove_all(path_, error);
  if (!error) std::filesystem::rename(from, name.empty() ? path_ : path_ / name, error);
  return error ? Failed(absl::StrCat("cannot move ", from.string(), " into the result"), error)
               : absl::OkStatus();
}

absl::Status ResultFolder::MoveTo(const std::filesystem::path& destination) {
  std::error_code error;
  std::filesystem::rename(path_, destination, error);
  if (error) return Failed(absl::StrCat("cannot move the result to ", destination.string()), error);
  path_.clear();
  return absl::OkStatus();
}

absl::Status ResultFolder::Publish() { return MoveTo(job_directory_ / kResultDirectory); }

}  // namespace kprune
