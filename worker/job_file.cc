#include "worker/job_file.h"

#include "absl/strings/str_cat.h"
#include "engine/formats/json.h"
#include "engine/formats/options_json.h"
#include "kprune/worker_protocol.h"

namespace kprune {
namespace {

using nlohmann::json;

absl::Status Refuse(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("job.json: ", what));
}

absl::Status ReadPaths(const json& job, const char* key, const std::filesystem::path& directory,
                       std::vector<std::filesystem::path>& paths) {
  const auto it = job.find(key);
  if (it == job.end()) return absl::OkStatus();
  if (!it->is_array()) return Refuse(absl::StrCat("\"", key, "\" is not a list of paths"));
  for (const json& path : *it) {
    if (!path.is_string() || path.get_ref<const std::string&>().empty()) {
      return Refuse(absl::StrCat("\"", key, "\" holds ", path.dump(), "; accepted are paths"));
    }
    paths.push_back(directory / path.get<std::string>());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WorkerJob> ReadJobFile(const std::filesystem::path& directory) {
  absl::StatusOr<json> file = ReadJsonFile(directory / kJobFile);
  if (!file.ok()) return file.status();
  const json& job = *file;
  if (!job.is_object()) return Refuse("is not an object");
  for (const auto& [key, value] : job.items()) {
    static constexpr std::array kKeys = {"kind", "model", "data", "eval", "others", "options"};
    if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
      return Refuse(absl::StrCat("has the unknown field \"", key, "\""));
  }
  WorkerJob result;
  result.directory = std::filesystem::absolute(directory).lexically_normal();
  const json kind = job.value("kind", json()), model = job.value("model", json());
  if (!kind.is_string()) return Refuse("\"kind\" is missing");
  if (!model.is_string() || model.get_ref<const std::string&>().empty())
    return Refuse("\"model\" is missing");
  result.kind = kind.get<std::string>();
  result.model = result.directory / model.get<std::string>();
  for (const absl::Status& status : {ReadPaths(job, "data", result.directory, result.data),
                                     ReadPaths(job, "eval", result.directory, result.eval),
                                     ReadPaths(job, "others", result.directory, result.others)}) {
    if (!status.ok()) return status;
  }
  absl::StatusOr<Options> options = ParseOptions(job.value("options", json::object()));
  if (!options.ok()) return options.status();
  result.options = *std::move(options);
  return result;
}

}  // namespace kprune
