#include "client/manifest.h"

#include <algorithm>
#include <set>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/file_digest.h"
#include "kprune/layout.h"
#include "kprune/model_files.h"

namespace kprune::client {
namespace {

namespace fs = std::filesystem;

bool HoldsPickledWeights(const std::string& name) {
  for (const char* suffix : {".bin", ".pt", ".pth", ".pkl", ".ckpt", ".h5", ".gguf"}) {
    if (absl::EndsWith(name, suffix)) return true;
  }
  return false;
}

absl::Status CheckComplete(const fs::path& folder, const ModelFiles& model) {
  const auto has = [&](auto predicate) {
    return std::any_of(model.files.begin(), model.files.end(),
                       [&](const NamedFile& file) { return predicate(file.name); });
  };
  if (!has([](const std::string& name) { return absl::EndsWith(name, ".safetensors"); })) {
    const auto pickled = std::find_if(model.left_out.begin(), model.left_out.end(), HoldsPickledWeights);
    if (pickled != model.left_out.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "safetensors only: ", folder.string(), " has its weights as ", *pickled,
          ", which may run code when it is read; save the model again with safe_serialization=True"));
    }
    return absl::InvalidArgumentError(
        absl::StrCat(folder.string(), " has no model*.safetensors; a Hugging Face model folder is expected"));
  }
  if (!has([](const std::string& name) { return name == "config.json"; })) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder.string(), " has no config.json; a Hugging Face model folder is expected"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelFiles> FindModelFiles(const fs::path& folder) {
  const absl::StatusOr<std::vector<std::string>> names = FileNamesOfModel(folder);
  if (!names.ok()) return names.status();
  ModelFiles model;
  for (const std::string& name : *names) {
    if (IsAllowedName(FileRole::kModel, name)) {
      const fs::path path = folder / name;
      model.files.push_back({name, path, static_cast<int64_t>(fs::file_size(path))});
    } else {
      model.left_out.push_back(name);
    }
  }
  if (const absl::Status complete = CheckComplete(folder, model); !complete.ok()) return complete;
  return model;
}

absl::StatusOr<std::vector<NamedFile>> NameDataFiles(const std::vector<std::string>& paths) {
  std::vector<NamedFile> files;
  std::set<std::string> taken;
  for (size_t i = 0; i < paths.size(); ++i) {
    const fs::path path = paths[i];
    const std::string name_given = absl::AsciiStrToLower(path.filename().string());
    const std::string ending(DataEnding(name_given));
    if (ending.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          paths[i], " is of no format that is known by its name; data is one of ", DataEndings()));
    }
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error) return absl::NotFoundError(absl::StrCat("cannot read ", paths[i], ": ", error.message()));
    if (size == 0)
      return absl::InvalidArgumentError(absl::StrCat(paths[i], " is empty; data has at least one line"));
    std::string name = path.filename().string();
    if (!IsAllowedName(FileRole::kData, name)) name = absl::StrCat("data-", i + 1, ending);
    for (size_t next = i + 1; taken.count(name) != 0; ++next) name = absl::StrCat("data-", next, ending);
    taken.insert(name);
    files.push_back({name, path, static_cast<int64_t>(size)});
  }
  return files;
}

absl::StatusOr<kprune::v1::File> Describe(const NamedFile& file) {
  const absl::StatusOr<std::string> digest = Sha256OfFile(file.path);
  if (!digest.ok()) return digest.status();
  kprune::v1::File entry;
  entry.set_name(file.name);
  entry.set_sha256(*digest);
  entry.set_size(file.size_bytes);
  return entry;
}

}  // namespace kprune::client
