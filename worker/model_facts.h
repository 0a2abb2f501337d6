// Plain facts about a model folder and a job's inputs.
#ifndef KPRUNE_WORKER_MODEL_FACTS_H_
#define KPRUNE_WORKER_MODEL_FACTS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "engine/model/model_folder.h"
#include "nlohmann/json.hpp"
#include "worker/job_file.h"

namespace kprune {

struct ModelFacts {
  int64_t parameters = 0;  // values in all floating-point tensors of the checkpoint
  int64_t file_bytes = 0;  // of its weight files
};

ModelFacts FactsOf(const ModelFolder& folder);

// SHA-256 of every file that the job read, by its name: "model/config.json", "data/samples.jsonl",
// "eval/dev.jsonl".
absl::StatusOr<std::map<std::string, std::string>> DigestInputs(const WorkerJob& job);

// SHA-256 of every file below a folder, by its name relative to it.
absl::StatusOr<std::map<std::string, std::string>> DigestFolder(const std::filesystem::path& folder);

// Whether every file that the report of a result in `folder` lists still has its digest; else DATA_LOSS names
// it.
absl::Status CheckDigests(const nlohmann::json& report, const std::filesystem::path& folder);

// The same of `digests`, an object of file names and their SHA-256, which stands in the file `listed_in`.
absl::Status CheckDigests(const nlohmann::json& digests, const std::filesystem::path& folder,
                          std::string_view listed_in);

}  // namespace kprune

#endif  // KPRUNE_WORKER_MODEL_FACTS_H_
