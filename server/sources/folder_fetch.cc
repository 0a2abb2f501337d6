#include "server/sources/folder_fetch.h"

#include <fstream>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kprune/layout.h"
#include "nlohmann/json.hpp"
#include "server/sources/checksums.h"
#include "server/sources/file_sink.h"

namespace kprune {
namespace {

using nlohmann::json;

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kModules = "modules.json";
constexpr std::string_view kWeights = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";
constexpr ByteLimit kChecksumsLimit = {int64_t{1} << 20, "SHA256SUMS"};

bool IsWeights(std::string_view name) { return name.ends_with(".safetensors"); }

// What a file that was just fetched says; null where it is no JSON.
json ReadJson(const FetchedModel& model, std::string_view name) {
  for (const FetchedFile& file : model.files) {
    if (file.name != name) continue;
    std::ifstream in(file.path, std::ios::binary);
    json value = json::parse(in, nullptr, /*allow_exceptions=*/false);
    return value.is_discarded() ? json() : value;
  }
  return json();
}

}  // namespace

FolderFetch::FolderFetch(SourceReader& reader, const ModelSource& source, std::string name,
                         const FetchLimits& limits, FetchTally& tally)
    : reader_(reader), source_(source), name_(std::move(name)), limits_(limits), tally_(tally) {}

absl::StatusOr<FetchedModel> FolderFetch::Run(const std::filesystem::path& folder) {
  FetchedModel model(folder);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return absl::InternalError(absl::StrCat("Cannot make ", folder.string(), ": ", error.message(), "."));
  absl::Status status = ReadChecksums();
  if (status.ok()) status = FetchRequired(kConfig, model);
  if (status.ok()) status = FetchSmallFiles(model);
  if (status.ok()) status = FetchModules(model);
  if (status.ok()) status = FetchWeights(model);
  if (!status.ok()) return status;
  return model;
}

absl::Status FolderFetch::ReadChecksums() {
  const std::optional<SourceFile> file = source_.Find(kChecksumsFile);
  if (!file) return absl::OkStatus();
  const absl::StatusOr<std::string> text = reader_.ReadText(file->url, kChecksumsLimit);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  if (!text.ok()) return text.status();
  auto checksums = ParseChecksums(*text);
  if (!checksums.ok()) {
    return absl::Status(checksums.status().code(), absl::StrCat("Cannot use ", file->url.Shown(), ": ",
                                                                checksums.status().message(), "."));
  }
  checksums_ = *std::move(checksums);
  return absl::OkStatus();
}

std::optional<SourceFile> FolderFetch::Find(std::string_view name) const {
  std::optional<SourceFile> file = source_.Find(name);
  if (!file || !checksums_) return file;
  const auto digest = checksums_->find(name);
  if (digest == checksums_->end()) return std::nullopt;
  file->sha256 = digest->second;
  file->is_known = true;
  return file;
}

absl::StatusOr<bool> FolderFetch::FetchOptional(std::string_view name, FetchedModel& model) {
  for (const FetchedFile& fetched : model.files) {
    if (fetched.name == name) return true;
  }
  const std::optional<SourceFile> file = Find(name);
  if (!file) return false;
  const absl::Status status = FetchFile(std::string(name), *file, model);
  if (absl::IsNotFound(status) && !file->is_known) return false;
  if (!status.ok()) return status;
  return true;
}

absl::Status FolderFetch::FetchRequired(std::string_view name, FetchedModel& model) {
  const absl::StatusOr<bool> fetched = FetchOptional(name, model);
  if (!fetched.ok() || *fetched) return fetched.status();
  return absl::NotFoundError(absl::StrCat("There is no ", std::string(name), " at ", name_,
                                          checksums_ ? " in its SHA256SUMS" : "",
                                          "; spec.model_uri names a folder that has config.json and "
                                          "model*.safetensors (pickles are never fetched)."));
}

absl::Status FolderFetch::FetchSmallFiles(FetchedModel& model) {
  for (const std::string_view name : FixedModelNames()) {
    if (name == kConfig || name == kIndex) continue;
    if (const absl::StatusOr<bool> fetched = FetchOptional(name, model); !fetched.ok())
      return fetched.status();
  }
  return absl::OkStatus();
}

absl::Status FolderFetch::FetchModules(FetchedModel& model) {
  const json modules = ReadJson(model, kModules);
  if (!modules.is_array()) return absl::OkStatus();
  for (const json& module : modules) {
    if (!module.is_object() || !module.contains("path") || !module["path"].is_string()) continue;
    const std::string name = absl::StrCat(module["path"].get<std::string>(), "/", std::string(kConfig));
    if (!IsAllowedName(FileRole::kModel, name)) continue;
    if (const absl::StatusOr<bool> fetched = FetchOptional(name, model); !fetched.ok())
      return fetched.status();
  }
  return absl::OkStatus();
}

absl::Status FolderFetch::FetchWeights(FetchedModel& model) {
  const absl::StatusOr<bool> single = FetchOptional(kWeights, model);
  if (!single.ok() || *single) return single.status();
  const absl::StatusOr<bool> sharded = FetchOptional(kIndex, model);
  if (!sharded.ok()) return sharded.status();
  return *sharded ? FetchShards(model) : FetchRequired(kWeights, model);
}

absl::Status FolderFetch::FetchShards(FetchedModel& model) {
  const json index = ReadJson(model, kIndex);
  const json* const map = index.is_object() && index.contains("weight_map") ? &index["weight_map"] : nullptr;
  std::set<std::string> shards;
  bool understood = map != nullptr && map->is_object() && !map->empty();
  if (understood) {
    for (const auto& [tensor, shard] : map->items()) {
      understood = understood && shard.is_string() && IsWeights(shard.get<std::string>()) &&
                   IsAllowedName(FileRole::kModel, shard.get<std::string>());
      if (understood) shards.insert(shard.get<std::string>());
    }
  }
  if (!understood) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(kIndex), " at ", name_,
                     " has no weight_map of model*.safetensors names; write it again with save_pretrained."));
  }
  const json* const metadata = index.contains("metadata") ? &index["metadata"] : nullptr;
  if (metadata != nullptr && metadata->is_object() && metadata->contains("total_size") &&
      (*metadata)["total_size"].is_number_unsigned())
    tally_.weights_whole = std::min((*metadata)["total_size"].get<int64_t>(), limits_.model_bytes);
  for (const std::string& shard : shards) {
    if (absl::Status status = FetchRequired(shard, model); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status FolderFetch::FetchFile(const std::string& name, const SourceFile& file, FetchedModel& model) {
  const int64_t count = static_cast<int64_t>(model.files.size());
  if (count >= limits_.files)
    return absl::ResourceExhaustedError(
        absl::StrCat(name_, " has more than ", limits_.files, " files; a model has fewer."));
  const std::filesystem::path path = model.folder() / absl::StrCat(count);
  FileSink sink(path, IsWeights(name), limits_.disk_low_bytes, tally_);
  const int64_t model_left = limits_.model_bytes - tally_.bytes;
  const ByteLimit limit = limits_.file_bytes < model_left
                              ? ByteLimit{limits_.file_bytes, "--max-artifact-bytes"}
                              : ByteLimit{model_left, "--max-model-bytes"};
  absl::Status status = reader_.Read(file.url, limit, sink);
  if (status.ok()) status = sink.Close();
  if (!status.ok()) return status;
  if (sink.size_bytes() == 0)
    return absl::InvalidArgumentError(
        absl::StrCat(name, " at ", name_, " is empty; remove it there or fill it."));
  const bool wrong_size = file.size_bytes && *file.size_bytes != sink.size_bytes();
  if (wrong_size || (!file.sha256.empty() && file.sha256 != sink.Sha256Hex())) {
    return absl::DataLossError(
        absl::StrCat(name, " at ", name_,
                     wrong_size ? absl::StrCat(" has ", sink.size_bytes(), " bytes instead of the ",
                                               *file.size_bytes, " that its source lists")
                                : absl::StrCat(" has SHA-256 ", sink.Sha256Hex(), " instead of the ",
                                               file.sha256, " that its source lists"),
                     "; mend the source, or retry the job where it was changing at this moment."));
  }
  model.files.push_back({name, path, sink.size_bytes()});
  return absl::OkStatus();
}

}  // namespace kprune
