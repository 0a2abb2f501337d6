#include "worker/job_file.h"

#include <algorithm>
#include <array>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

// An object of job.json, of which `known` are the fields; an empty one where it is absent.
absl::StatusOr<json> ReadObject(const json& job, const std::string& name,
                                const std::vector<std::string>& known) {
  const json object = job.value(name, json::object());
  if (!object.is_object()) return Refuse(absl::StrCat("\"", name, "\" is not an object"));
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      return Refuse(absl::StrCat("\"", name, "\" has the unknown field \"", key, "\""));
  }
  return object;
}

bool IsSize(const json& value, int64_t most) {
  return value.is_number_integer() && value >= 1 && value <= most;
}

// Whole numbers from 1 to `most`; left alone where there are none.
absl::Status ReadSizes(const json& object, const char* section, const char* key, int64_t most,
                       std::vector<int64_t>& sizes) {
  const auto it = object.find(key);
  if (it == object.end()) return absl::OkStatus();
  const bool accepted =
      it->is_array() && !it->empty() && it->size() <= 16 &&
      std::all_of(it->begin(), it->end(), [&](const json& size) { return IsSize(size, most); });
  if (!accepted) {
    return Refuse(absl::StrCat("\"", section, ".", key, "\" is ", it->dump(),
                               "; accepted is a list of 1 to 16 whole numbers from 1 to ", most));
  }
  sizes = it->get<std::vector<int64_t>>();
  return absl::OkStatus();
}

absl::Status ReadSize(const json& object, const char* section, const char* key, int64_t most, int64_t& size) {
  const auto it = object.find(key);
  if (it == object.end()) return absl::OkStatus();
  if (!IsSize(*it, most)) {
    return Refuse(absl::StrCat("\"", section, ".", key, "\" is ", it->dump(),
                               "; accepted is a whole number from 1 to ", most));
  }
  size = it->get<int64_t>();
  return absl::OkStatus();
}

constexpr int64_t kMostSequences = 4096, kMostTokens = 8192, kMostRepeats = 10000, kMostSeconds = 3600;

absl::Status ReadBench(const json& job, BenchSettings& settings) {
  const absl::StatusOr<json> bench = ReadObject(job, "bench", {"batch_sizes", "lengths", "repeats"});
  if (!bench.ok()) return bench.status();
  absl::Status status = ReadSizes(*bench, "bench", "batch_sizes", kMostSequences, settings.batch_sizes);
  if (status.ok()) status = ReadSizes(*bench, "bench", "lengths", kMostTokens, settings.lengths);
  if (status.ok()) status = ReadSize(*bench, "bench", "repeats", kMostRepeats, settings.repeats);
  return status;
}

absl::Status ReadCalibration(const json& job, CalibrationSettings& settings) {
  const absl::StatusOr<json> given =
      ReadObject(job, "calibration", {"batch_size", "lengths", "runtime", "seconds"});
  if (!given.ok()) return given.status();
  absl::Status status = ReadSize(*given, "calibration", "batch_size", kMostSequences, settings.batch_size);
  if (status.ok()) status = ReadSizes(*given, "calibration", "lengths", kMostTokens, settings.lengths);
  if (!status.ok()) return status;
  std::sort(settings.lengths.begin(), settings.lengths.end());
  const auto last = std::unique(settings.lengths.begin(), settings.lengths.end());
  settings.lengths.erase(last, settings.lengths.end());
  const json runtime = given->value("runtime", json("auto"));
  if (runtime != "auto" && std::find(kRuntimes.begin(), kRuntimes.end(), runtime) == kRuntimes.end()) {
    return Refuse(absl::StrCat("\"calibration.runtime\" is ", runtime.dump(), "; accepted are auto, ",
                               absl::StrJoin(kRuntimes, ", ")));
  }
  settings.runtime = runtime.get<std::string>();
  const json seconds = given->value("seconds", json(settings.seconds));
  if (!seconds.is_number() || !(seconds > 0 && seconds <= kMostSeconds)) {
    return Refuse(absl::StrCat("\"calibration.seconds\" is ", seconds.dump(),
                               "; accepted is a number above 0 and at most ", kMostSeconds));
  }
  settings.seconds = seconds.get<double>();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WorkerJob> ReadJobFile(const std::filesystem::path& directory) {
  absl::StatusOr<json> file = ReadJsonFile(directory / kJobFile);
  if (!file.ok()) return file.status();
  const json& job = *file;
  if (!job.is_object()) return Refuse("is not an object");
  for (const auto& [key, value] : job.items()) {
    static constexpr std::array kKeys = {"kind",       "name",        "model",       "data",
                                         "eval",       "others",      "options",     "bench",
                                         "public_key", "calibration", "trace_parent"};
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
        ReadText(job, "trace_parent", result.trace_parent),
        ReadPaths(job, "data", result.directory, result.data),
        ReadPaths(job, "eval", result.directory, result.eval),
        ReadPaths(job, "others", result.directory, result.others), ReadBench(job, result.bench),
        ReadCalibration(job, result.calibration)}) {
    if (!status.ok()) return status;
  }
  if (!public_key.empty()) result.public_key = result.directory / public_key;
  absl::StatusOr<Options> options = ParseOptions(job.value("options", json::object()));
  if (!options.ok()) return options.status();
  result.options = *std::move(options);
  return result;
}

}  // namespace kprune
