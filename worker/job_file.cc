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

// Left alone where there is none.
absl::Status ReadText(const json& job, const char* key, std::string& text) {
  const auto it = job.find(key);
  if (it == job.end()) return absl::OkStatus();
  if (!it->is_string() || it->get_ref<const std::string&>().empty())
    return Refuse(absl::StrCat("\"", key, "\" is ", it->dump(), "; accepted is a text"));
  text = it->get<std::string>();
  return absl::OkStatus();
}

// A list of whole numbers from 1 to `most`; left alone where there is none.
absl::Status ReadSizes(const json& bench, const char* key, int64_t most, std::vector<int64_t>& sizes) {
  const auto it = bench.find(key);
  if (it == bench.end()) return absl::OkStatus();
  sizes.clear();
  const auto accepted = [&] {
    return Refuse(absl::StrCat("\"bench.", key, "\" is ", it->dump(),
                               "; accepted is a list of 1 to 16 whole ", "numbers from 1 to ", most));
  };
  if (!it->is_array() || it->empty() || it->size() > 16) return accepted();
  for (const json& size : *it) {
    if (!size.is_number_integer() || size < 1 || size > most) return accepted();
    sizes.push_back(size.get<int64_t>());
  }
  return absl::OkStatus();
}

absl::Status ReadBench(const json& job, BenchSettings& settings) {
  const auto it = job.find("bench");
  if (it == job.end()) return absl::OkStatus();
  if (!it->is_object()) return Refuse("\"bench\" is not an object");
  std::vector<int64_t> repeats = {settings.repeats};
  for (const auto& [key, value] : it->items()) {
    if (key != "batch_sizes" && key != "lengths" && key != "repeats")
      return Refuse(absl::StrCat("\"bench\" has the unknown field \"", key, "\""));
  }
  json listed = *it;
  if (listed.contains("repeats")) listed["repeats"] = json::array({listed["repeats"]});
  for (const absl::Status& status :
       {ReadSizes(listed, "batch_sizes", 4096, settings.batch_sizes),
        ReadSizes(listed, "lengths", 8192, settings.lengths), ReadSizes(listed, "repeats", 10000, repeats)}) {
    if (!status.ok()) return status;
  }
  settings.repeats = repeats[0];
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WorkerJob> ReadJobFile(const std::filesystem::path& directory) {
  absl::StatusOr<json> file = ReadJsonFile(directory / kJobFile);
  if (!file.ok()) return file.status();
  const json& job = *file;
  if (!job.is_object()) return Refuse("is not an object");
  for (const auto& [key, value] : job.items()) {
    static constexpr std::array kKeys = {"kind",   "name",    "model", "data",      "eval",
                                         "others", "options", "bench", "public_key"};
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
  std::string public_key;
  for (const absl::Status& status :
       {ReadText(job, "name", result.name), ReadText(job, "public_key", public_key),
        ReadPaths(job, "data", result.directory, result.data),
        ReadPaths(job, "eval", result.directory, result.eval),
        ReadPaths(job, "others", result.directory, result.others), ReadBench(job, result.bench)}) {
    if (!status.ok()) return status;
  }
  if (!public_key.empty()) result.public_key = result.directory / public_key;
  absl::StatusOr<Options> options = ParseOptions(job.value("options", json::object()));
  if (!options.ok()) return options.status();
  result.options = *std::move(options);
  return result;
}

}  // namespace kprune
