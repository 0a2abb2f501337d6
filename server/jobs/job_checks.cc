#include "server/jobs/job_checks.h"

#include <algorithm>
#include <array>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

constexpr int kMaxPriority = 100;
constexpr size_t kMaxRequestIdBytes = 128;
constexpr int64_t kReadBytes = 1 << 20;

// Formats whose loading may run code, or that this service does not read.
constexpr std::array<std::string_view, 10> kRefusedEndings = {".bin", ".pt",  ".pth",  ".pkl", ".pickle",
                                                              ".zip", ".npz", ".gguf", ".h5",  ".ckpt"};

std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(std::string(text.substr(0, 128))), "\"");
}

absl::Status CheckName(std::string_view field, FileRole role, const std::string& name) {
  if (IsAllowedName(role, name)) return absl::OkStatus();
  const std::string lower = absl::AsciiStrToLower(name);
  const bool refused = std::any_of(kRefusedEndings.begin(), kRefusedEndings.end(),
                                   [&](std::string_view ending) { return lower.ends_with(ending); });
  if (refused) {
    return absl::InvalidArgumentError(
        absl::StrCat("spec.", std::string(field), " file ", Quoted(name),
                     " is refused: safetensors only; convert it with save_pretrained("
                     "safe_serialization=True)."));
  }
  const std::string accepted =
      role == FileRole::kModel
          ? "config.json, model*.safetensors with its index, tokenizer files, modules.json and "
            "N_Pooling/config.json"
          : absl::StrCat("plain names that end in ", DataEndings());
  return absl::InvalidArgumentError(absl::StrCat("spec.", std::string(field), " file name ", Quoted(name),
                                                 " is not accepted; accepted are ", accepted, "."));
}

absl::Status CheckManifest(std::string_view field_view, FileRole role, const Manifest& files,
                           int64_t max_files) {
  const std::string field(field_view);
  if (static_cast<int64_t>(files.size()) > max_files) {
    return absl::InvalidArgumentError(
        absl::StrCat("spec.", field, " has ", files.size(), " files; at most ", max_files, " are accepted."));
  }
  std::set<std::string_view> names;
  for (const FileEntry& file : files) {
    if (absl::Status status = CheckName(field, role, file.name); !status.ok()) return status;
    if (!names.insert(file.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("spec.", field, " names ", Quoted(file.name), " twice; each file must appear once."));
    }
    if (!IsArtifactDigest(file.sha256)) {
      return absl::InvalidArgumentError(absl::StrCat("spec.", field, " file ", file.name, " has sha256 ",
                                                     Quoted(file.sha256),
                                                     "; accepted are 64 lower-case hexadecimal digits."));
    }
    if (file.size_bytes <= 0) {
      return absl::InvalidArgumentError(absl::StrCat("spec.", field, " file ", file.name, " has size ",
                                                     file.size_bytes,
                                                     "; a size in bytes above 0 is accepted."));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckManifestArtifacts(std::string_view field, const Manifest& files, ArtifactStore& artifacts) {
  for (const FileEntry& file : files) {
    absl::StatusOr<UploadState> state = artifacts.Query(file.sha256);
    if (!state.ok()) return state.status();
    if (!state->complete) {
      return absl::FailedPreconditionError(absl::StrCat("spec.", std::string(field), " file ", file.name,
                                                        " is not uploaded completely; upload artifact ",
                                                        file.sha256, " first."));
    }
    if (state->committed_bytes != file.size_bytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("spec.", std::string(field), " file ", file.name, " is declared with ",
                       file.size_bytes, " bytes, but its artifact has ", state->committed_bytes, "."));
    }
  }
  return absl::OkStatus();
}

absl::Status VerifyArtifact(const FileEntry& file, ArtifactStore& artifacts) {
  auto reader = artifacts.OpenForRead(file.sha256, 0);
  if (absl::IsNotFound(reader.status())) return absl::OkStatus();  // laying out says so, and how to mend it
  if (!reader.ok()) return reader.status();
  std::string bytes;
  absl::Status status;
  do {
    status = (*reader)->Read(kReadBytes, &bytes);
  } while (status.ok() && !bytes.empty());
  if (!absl::IsDataLoss(status)) return status;
  return absl::DataLossError(absl::StrCat("The stored bytes of file ", file.name,
                                          " no longer have their digest ", file.sha256,
                                          "; upload it again and retry the job."));
}

// Whether the model is whole: files with a config and weights, or a URI.
absl::Status CheckModel(const JobInput& input) {
  if (!input.model_uri.empty() && !input.model.empty()) {
    return absl::InvalidArgumentError("spec has both model and model_uri; send one of them.");
  }
  if (!input.model_uri.empty()) return absl::OkStatus();
  auto has = [&](auto condition) { return std::any_of(input.model.begin(), input.model.end(), condition); };
  if (!has([](const FileEntry& file) { return file.name == "config.json"; })) {
    return absl::InvalidArgumentError(
        "spec.model has no config.json; send the model folder's config.json too.");
  }
  if (!has([](const FileEntry& file) { return file.name.ends_with(".safetensors"); })) {
    return absl::InvalidArgumentError("spec.model has no weights; send its model*.safetensors.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status VerifyArtifacts(const JobInput& input, ArtifactStore& artifacts) {
  for (const Manifest* files : {&input.model, &input.data, &input.eval}) {
    for (const FileEntry& file : *files) {
      if (absl::Status status = VerifyArtifact(file, artifacts); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status CheckInput(const JobInput& input, int64_t max_files, const std::vector<std::string>& devices) {
  absl::Status status = CheckManifest("model", FileRole::kModel, input.model, max_files);
  status.Update(CheckManifest("data", FileRole::kData, input.data, max_files));
  status.Update(CheckManifest("eval", FileRole::kData, input.eval, max_files));
  if (!status.ok()) return status;
  if (status = CheckModel(input); !status.ok()) return status;
  if (input.data.empty()) {
    return absl::InvalidArgumentError("spec.data is empty; send at least one file of samples.");
  }
  if (input.priority < -kMaxPriority || input.priority > kMaxPriority) {
    return absl::InvalidArgumentError(absl::StrCat("spec.priority is ", input.priority, "; accepted are ",
                                                   -kMaxPriority, " to ", kMaxPriority, "."));
  }
  if (input.device == "auto" || std::find(devices.begin(), devices.end(), input.device) != devices.end()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("options.device ", Quoted(input.device),
                                                 " is none of this server's; accepted are auto, ",
                                                 absl::StrJoin(devices, ", "), "."));
}

absl::Status CheckArtifacts(const JobInput& input, ArtifactStore& artifacts) {
  absl::Status status = CheckManifestArtifacts("model", input.model, artifacts);
  if (status.ok()) status = CheckManifestArtifacts("data", input.data, artifacts);
  if (status.ok()) status = CheckManifestArtifacts("eval", input.eval, artifacts);
  return status;
}

absl::Status CheckRequestId(std::string_view request_id) {
  if (request_id.size() <= kMaxRequestIdBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("request_id has ", request_id.size(), " bytes; at most ",
                                                 kMaxRequestIdBytes, " are accepted."));
}

}  // namespace kprune
