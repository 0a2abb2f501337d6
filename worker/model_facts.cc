#include "worker/model_facts.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "engine/formats/quoted.h"
#include "engine/formats/sha256.h"
#include "kprune/layout.h"
#include "kprune/model_files.h"
#include "kprune/worker_protocol.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

absl::Status AddDigest(const std::string& name, const fs::path& path,
                       std::map<std::string, std::string>& digests) {
  absl::StatusOr<std::string> digest = Sha256OfFile(path);
  if (!digest.ok()) return digest.status();
  digests[name] = *std::move(digest);
  return absl::OkStatus();
}

}  // namespace

ModelFacts FactsOf(const ModelFolder& folder) {
  ModelFacts facts;
  for (const TensorView& tensor : folder.tensors->tensors()) {
    const bool floating = tensor.dtype == DType::kF32 || tensor.dtype == DType::kF16 ||
                          tensor.dtype == DType::kBF16 || tensor.dtype == DType::kF64;
    if (!floating) continue;
    facts.parameters += static_cast<int64_t>(tensor.bytes.size()) / SizeOf(tensor.dtype);
  }
  for (const auto& entry : fs::directory_iterator(folder.path)) {
    if (entry.is_regular_file() && entry.path().extension() == ".safetensors")
      facts.file_bytes += static_cast<int64_t>(entry.file_size());
  }
  return facts;
}

absl::StatusOr<std::map<std::string, std::string>> DigestInputs(const WorkerJob& job) {
  std::map<std::string, std::string> digests;
  const absl::StatusOr<std::vector<std::string>> names = FileNamesOfModel(job.model);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    if (!IsAllowedName(FileRole::kModel, name)) continue;
    if (absl::Status status = AddDigest("model/" + name, job.model / name, digests); !status.ok())
      return status;
  }
  const auto add_all = [&](const char* folder, const std::vector<fs::path>& paths) -> absl::Status {
    for (const fs::path& path : paths) {
      if (absl::Status status = AddDigest(absl::StrCat(folder, "/", path.filename().string()), path, digests);
          !status.ok())
        return status;
    }
    return absl::OkStatus();
  };
  if (absl::Status status = add_all("data", job.data); !status.ok()) return status;
  if (absl::Status status = add_all("eval", job.eval); !status.ok()) return status;
  return digests;
}

absl::StatusOr<std::map<std::string, std::string>> DigestFolder(const fs::path& folder) {
  std::map<std::string, std::string> digests;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = entry.path().lexically_relative(folder).generic_string();
    if (absl::Status status = AddDigest(name, entry.path(), digests); !status.ok()) return status;
  }
  return digests;
}

absl::Status CheckDigests(const nlohmann::json& report, const std::filesystem::path& folder) {
  const auto outputs = report.find("outputs");
  if (outputs == report.end() || !outputs->is_object() || outputs->empty()) {
    return absl::DataLossError("report.json does not list the digests of the folder's files in \"outputs\"");
  }
  return CheckDigests(*outputs, folder, kReportFile);
}

absl::Status CheckDigests(const nlohmann::json& digests, const std::filesystem::path& folder,
                          std::string_view listed_in) {
  const std::string list(listed_in);
  for (const auto& [name, digest] : digests.items()) {
    if (!IsAllowedName(FileRole::kResult, name)) {
      return absl::DataLossError(
          absl::StrCat(list, " lists ", Quoted(name), ", which is no file of a result"));
    }
    absl::StatusOr<std::string> found = Sha256OfFile(folder / name);
    if (absl::IsNotFound(found.status()))
      return absl::DataLossError(absl::StrCat(name, " is missing, but ", list, " lists it"));
    if (!found.ok()) return found.status();
    if (digest != *found) {
      return absl::DataLossError(
          absl::StrCat(name, " does not have the digest in ", list, "; it was changed after pruning"));
    }
  }
  return absl::OkStatus();
}

}  // namespace kprune
