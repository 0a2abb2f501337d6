#include "engine/formats/checkpoint.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"
#include "engine/formats/safetensors.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kSingleFile[] = "model.safetensors";
constexpr char kIndexFile[] = "model.safetensors.index.json";
constexpr std::array kRefusedEndings = {".bin", ".pt",     ".pth", ".ckpt",   ".gguf",
                                        ".pkl", ".pickle", ".h5",  ".msgpack"};

// Several files as one source. Takes care that no tensor is in two of them before it is made.
class ShardedCheckpoint : public TensorSource {
 public:
  explicit ShardedCheckpoint(std::vector<std::unique_ptr<TensorSource>> shards) : shards_(std::move(shards)) {
    for (const auto& shard : shards_)
      tensors_.insert(tensors_.end(), shard->tensors().begin(), shard->tensors().end());
    for (const TensorView& tensor : tensors_) by_name_.emplace(tensor.name, &tensor);
  }

  const TensorView* Find(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  const std::vector<TensorView>& tensors() const override { return tensors_; }

 private:
  // Constant after construction.
  const std::vector<std::unique_ptr<TensorSource>> shards_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, const TensorView*> by_name_;
};

// A shard's file name is built from the index's text only where it is a plain model*.safetensors.
bool IsShardName(std::string_view name) {
  return IsAllowedName(FileRole::kModel, name) && name.find('/') == std::string_view::npos &&
         layout_internal::EndsWith(name, ".safetensors");
}

// shard -> the tensors that the index gives to it, both sorted.
absl::StatusOr<std::map<std::string, std::vector<std::string>>> ReadIndex(const fs::path& path) {
  absl::StatusOr<Json> index = ReadJsonFile(path);
  if (!index.ok()) return index.status();
  JsonFields fields(*index, path.string());
  const Json* weight_map = fields.Require("weight_map");
  if (!fields.status().ok()) return fields.status();
  JsonFields entries(*weight_map, fields.Name("weight_map"));
  if (!entries.status().ok()) return entries.status();
  if (weight_map->empty() || weight_map->size() > kMaxTensorCount) {
    fields.Refuse("weight_map", absl::StrCat("names ", weight_map->size(), " tensors, accepted are 1 to ",
                                             kMaxTensorCount));
    return fields.status();
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string() || !IsShardName(shard.get_ref<const std::string&>())) {
      return absl::InvalidArgumentError(absl::StrCat(fields.Name("weight_map"), " gives tensor ",
                                                     Quoted(tensor), " the file ", Described(shard),
                                                     ", accepted is a plain name model*.safetensors"));
    }
    shards[shard.get<std::string>()].push_back(tensor);
  }
  return shards;
}

// The index and the shard must name the same tensors.
absl::Status CheckShard(const TensorSource& shard, const fs::path& path,
                        const std::vector<std::string>& expected) {
  for (const std::string& name : expected) {
    if (shard.Find(name) == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(path.string(), " lacks the tensor ", Quoted(name),
                                                     " that ", kIndexFile, " places there"));
    }
  }
  for (const TensorView& tensor : shard.tensors()) {
    if (!std::binary_search(expected.begin(), expected.end(), tensor.name)) {
      return absl::InvalidArgumentError(absl::StrCat(path.string(), " holds the tensor ", Quoted(tensor.name),
                                                     ", which ", kIndexFile, " does not place there"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<TensorSource>> OpenShards(const fs::path& folder) {
  auto index = ReadIndex(folder / kIndexFile);
  if (!index.ok()) return index.status();
  std::vector<std::unique_ptr<TensorSource>> shards;
  for (const auto& [name, expected] : *index) {
    absl::StatusOr<std::unique_ptr<TensorSource>> shard = OpenSafetensors(folder / name);
    if (absl::IsNotFound(shard.status())) {
      return absl::NotFoundError(
          absl::StrCat(folder.string(), " lacks the shard ", name, " that ", kIndexFile, " names"));
    }
    if (!shard.ok()) return shard.status();
    if (absl::Status status = CheckShard(**shard, folder / name, expected); !status.ok()) return status;
    shards.push_back(*std::move(shard));
  }
  return std::make_unique<ShardedCheckpoint>(std::move(shards));
}

// Why there is nothing to open.
absl::Status ExplainMissing(const fs::path& folder) {
  std::error_code error;
  std::vector<std::string> refused;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    for (const char* ending : kRefusedEndings) {
      if (absl::EndsWith(name, ending)) refused.push_back(name);
    }
  }
  if (error)
    return absl::NotFoundError(
        absl::StrCat("cannot list the model folder ", folder.string(), ": ", error.message()));
  if (!refused.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder.string(), " has its weights in ", Quoted(*std::min_element(refused.begin(), refused.end())),
        ", but kprune reads safetensors only: save the model with safe_serialization=True"));
  }
  return absl::NotFoundError(
      absl::StrCat(folder.string(), " has no weights: ", kSingleFile, " or ", kIndexFile, " is needed"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TensorSource>> OpenCheckpoint(const fs::path& folder) {
  std::error_code ignored;  // an unreadable file is named when it is opened
  if (fs::exists(folder / kSingleFile, ignored)) return OpenSafetensors(folder / kSingleFile);
  if (fs::exists(folder / kIndexFile, ignored)) return OpenShards(folder);
  return ExplainMissing(folder);
}

}  // namespace kprune
