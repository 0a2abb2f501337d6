#include "engine/pruning/checkpoint.h"

#include <optional>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"
#include "engine/formats/sha256.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 3;  // of all files of a checkpoint
constexpr std::string_view kIdentityName = "identity.json";
constexpr std::string_view kNotesName = "notes.json";
constexpr std::string_view kSublayerPrefix = "sublayer-";
constexpr int64_t kMaxSublayerFileBytes = int64_t{4} << 30;  // far above any output projection

// identity.json is {"identity": {...}, "sha256": digest of the identity as compact JSON}, notes.json
// {"notes":
// ..., "sha256": digest of the identity's digest and of the notes as compact JSON}

Json IdentityJson(const CheckpointIdentity& identity) {
  return {{"format", kFormat},
          {"job", identity.job},
          {"threads", identity.threads},
          {"precision", identity.precision},
          {"rounding", identity.rounding},
          {"memory_limit_bytes", identity.memory_limit_bytes}};
}

absl::StatusOr<CheckpointIdentity> ParseIdentity(const Json& file, std::string& digest) {
  JsonFields fields(file, kIdentityName);
  const Json* body = fields.Require("identity");
  digest = fields.String("sha256", "");
  if (!fields.status().ok()) return fields.status();
  if (Sha256OfBytes(body->dump()) != digest) {
    return absl::InvalidArgumentError(absl::StrCat(std::string(kIdentityName), " does not fit its digest"));
  }
  JsonFields identity(*body, kIdentityName);
  if (identity.Int("format", 0, 0, INT32_MAX) != kFormat) {
    identity.Refuse("format", absl::StrCat("is not ", kFormat));
  }
  CheckpointIdentity result;
  if (const Json* job = identity.Require("job")) result.job = *job;
  result.threads = static_cast<int>(identity.Int("threads", 0, INT32_MIN, INT32_MAX));
  result.precision = identity.String("precision", "");
  result.rounding = identity.String("rounding", "");
  result.memory_limit_bytes = identity.Int("memory_limit_bytes", 0, INT64_MIN, INT64_MAX);
  if (!identity.status().ok()) return identity.status();
  return result;
}

// The first difference of two jobs that are not equal.
std::string Difference(const Json& was, const Json& now) {
  const Json patch = Json::diff(was, now);
  const std::string path = patch[0]["path"].get<std::string>();
  const Json::json_pointer pointer(path);
  const auto value = [&pointer](const Json& job) {
    return job.contains(pointer) ? Described(job[pointer]) : "absent";
  };
  return absl::StrCat(Quoted(path), " was ", value(was), " and is ", value(now));
}

// The index of a sublayer's file; nullopt for other names.
std::optional<int> IndexOf(const std::string& name) {
  int index = 0;
  if (!name.starts_with(kSublayerPrefix)) return std::nullopt;
  const std::string digits = name.substr(kSublayerPrefix.size());
  if (digits.find_first_not_of("0123456789") != digits.npos || !absl::SimpleAtoi(digits, &index))
    return std::nullopt;
  return index;
}

// What WriteFileDurably leaves behind where the process dies.
bool IsUnfinished(const std::string& name) {
  return name.ends_with(".tmp") && (name.starts_with(kSublayerPrefix) || name.starts_with(kIdentityName) ||
                                    name.starts_with(kNotesName));
}

absl::Status FolderError(std::string_view doing, const std::filesystem::path& path, std::error_code error) {
  return absl::ErrnoToStatus(error.value(),
                             absl::StrCat("cannot ", std::string(doing), " the checkpoint ", path.string()));
}

absl::Status Delete(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove(path, error);
  return error ? FolderError("delete", path, error) : absl::OkStatus();
}

bool IsDamage(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsNotFound(status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(const std::filesystem::path& folder,
                                                             const CheckpointIdentity& identity) {
  // Once through JSON, as the recorded one went.
  absl::StatusOr<Json> as_read = absl::InvalidArgumentError("");
  try {
    as_read = ParseJson(IdentityJson(identity).dump(), "the identity of a checkpoint");
  } catch (const Json::type_error& error) {
    return absl::InvalidArgumentError(
        absl::StrCat("the identity of a checkpoint cannot be had as JSON: ", error.what()));
  }
  if (!as_read.ok()) return as_read.status();
  if (!identity.job.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the job of a checkpoint's identity is ", Described(identity.job), ", not an object"));
  }
  CheckpointIdentity given = identity;
  given.job = (*as_read)["job"];
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint(folder, std::move(given)));
  if (absl::Status status = checkpoint->CreateFolder(); !status.ok()) return status;
  absl::StatusOr<bool> goes_on = checkpoint->LoadIdentity();
  if (!goes_on.ok()) return goes_on.status();
  absl::Status status = *goes_on ? checkpoint->LoadNotes() : checkpoint->StartOver();
  if (status.ok() && *goes_on) status = checkpoint->LoadSublayers();
  if (!status.ok()) return status;
  return checkpoint;
}

absl::Status Checkpoint::CreateFolder() {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  return error ? FolderError("create", folder_, error) : absl::OkStatus();
}

absl::StatusOr<bool> Checkpoint::LoadIdentity() {
  absl::StatusOr<Json> file = ReadJsonFile(folder_ / kIdentityName);
  if (absl::IsNotFound(file.status())) return false;  // StartOver tells of sublayers that lie there
  if (!file.ok() && !IsDamage(file.status())) return file.status();
  std::string digest;
  absl::StatusOr<CheckpointIdentity> recorded =
      file.ok() ? ParseIdentity(*file, digest) : absl::StatusOr<CheckpointIdentity>(file.status());
  if (!recorded.ok()) {
    warnings_.push_back(
        absl::StrCat("the checkpoint in ", folder_.string(),
                     " cannot be used and the job starts over: ", std::string(recorded.status().message())));
    return false;
  }
  if (recorded->job != identity_.job) {
    warnings_.push_back(absl::StrCat(
        "the checkpoint in ", folder_.string(),
        " is of another job and this one starts over: ", Difference(recorded->job, identity_.job)));
    return false;
  }
  identity_ = *std::move(recorded);
  digests_ = {std::move(digest)};
  return true;
}

absl::Status Checkpoint::StartOver() {
  // First: old sublayers and notes never meet the new identity.
  absl::StatusOr<int> deleted = DeleteFrom(0);
  if (!deleted.ok()) return deleted.status();
  if (absl::Status status = Delete(folder_ / kNotesName); !status.ok()) return status;
  if (*deleted > 0 && warnings_.empty()) {
    warnings_.push_back(absl::StrCat("the checkpoint in ", folder_.string(), " has no ",
                                     std::string(kIdentityName), " and the job starts over"));
  }
  const Json identity = IdentityJson(identity_);
  digests_ = {Sha256OfBytes(identity.dump())};
  const Json file = {{"identity", identity}, {"sha256", digests_[0]}};
  return WriteFileDurably(folder_ / kIdentityName, file.dump());
}

absl::Status Checkpoint::LoadNotes() {
  absl::StatusOr<Json> file = ReadJsonFile(folder_ / kNotesName);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  if (!file.ok() && !IsDamage(file.status())) return file.status();
  if (file.ok() && file->is_object() && file->contains("notes") &&
      file->value("sha256", Json()) == Sha256OfBytes(digests_[0] + (*file)["notes"].dump())) {
    notes_ = (*file)["notes"];
    return absl::OkStatus();
  }
  warnings_.push_back(absl::StrCat("the checkpoint in ", folder_.string(),
                                   " keeps no notes: ", std::string(kNotesName), " does not fit its digest"));
  return Delete(folder_ / kNotesName);
}

absl::Status Checkpoint::SetNotes(const Json& notes) {
  const Json file = {{"notes", notes}, {"sha256", Sha256OfBytes(digests_[0] + notes.dump())}};
  if (absl::Status status = WriteFileDurably(folder_ / kNotesName, file.dump()); !status.ok()) return status;
  notes_ = notes;
  return absl::OkStatus();
}

absl::Status Checkpoint::LoadSublayers() {
  absl::StatusOr<ParsedSublayer> parsed = ReadSublayer(0);
  for (; parsed.ok(); parsed = ReadSublayer(size())) digests_.push_back(parsed->digest);
  if (!IsDamage(parsed.status())) return parsed.status();
  absl::StatusOr<int> deleted = DeleteFrom(size());
  if (!deleted.ok()) return deleted.status();
  if (*deleted > 0) {
    warnings_.push_back(absl::StrCat("the checkpoint in ", folder_.string(), " keeps its first ", size(),
                                     " sublayers and drops ", *deleted, ": ",
                                     std::string(parsed.status().message())));
  }
  return absl::OkStatus();
}

absl::StatusOr<ParsedSublayer> Checkpoint::ReadSublayer(int index) const {
  absl::StatusOr<std::string> file = ReadFile(PathOf(index), kMaxSublayerFileBytes);
  if (!file.ok()) return file.status();
  absl::StatusOr<ParsedSublayer> parsed = ParseSublayerFile(*file, index, digests_[index]);
  if (parsed.ok()) return parsed;
  return absl::InvalidArgumentError(absl::StrCat(PathOf(index).filename().string(),
                                                 " is damaged: ", std::string(parsed.status().message())));
}

absl::StatusOr<SublayerCheckpoint> Checkpoint::Read(int index) const {
  if (index < 0 || index >= size()) {
    return absl::OutOfRangeError(
        absl::StrCat("sublayer ", index, " of a checkpoint that has ", size(), " sublayers"));
  }
  absl::StatusOr<ParsedSublayer> parsed = ReadSublayer(index);
  if (parsed.ok() && parsed->digest == digests_[index + 1]) return std::move(parsed->record);
  return absl::DataLossError(absl::StrCat("the checkpoint in ", folder_.string(),
                                          " changed while it was in use: ",
                                          parsed.ok() ? absl::StrCat("sublayer ", index, " is another one")
                                                      : std::string(parsed.status().message())));
}

absl::Status Checkpoint::Append(const SublayerCheckpoint& record) {
  absl::StatusOr<SublayerFile> file = MakeSublayerFile(record, size(), digests_.back());
  if (!file.ok()) return file.status();
  const std::string_view pieces[] = {file->digest, file->contents};
  if (absl::Status status = WriteFileDurably(PathOf(size()), pieces); !status.ok()) return status;
  digests_.push_back(std::move(file->digest));
  return absl::OkStatus();
}

absl::Status Checkpoint::Remove() {
  // The identity last: a process that dies in between leaves a shorter checkpoint of the same job.
  absl::StatusOr<int> deleted = DeleteFrom(0);
  if (!deleted.ok()) return deleted.status();
  for (const std::string_view name : {kNotesName, kIdentityName}) {
    if (absl::Status status = Delete(folder_ / name); !status.ok()) return status;
  }
  std::error_code error;
  std::filesystem::remove(folder_, error);
  if (error && error != std::errc::directory_not_empty) return FolderError("delete", folder_, error);
  return absl::OkStatus();
}

absl::StatusOr<int> Checkpoint::DeleteFrom(int first) {
  std::error_code error;
  std::vector<std::filesystem::path> unfinished, sublayers;
  for (std::filesystem::directory_iterator entry(folder_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (IsUnfinished(name)) unfinished.push_back(entry->path());
    if (IndexOf(name).value_or(-1) >= first) sublayers.push_back(entry->path());
  }
  if (error) return FolderError("list", folder_, error);
  for (const auto* files : {&unfinished, &sublayers}) {
    for (const std::filesystem::path& file : *files) {
      if (absl::Status status = Delete(file); !status.ok()) return status;
    }
  }
  return static_cast<int>(sublayers.size());
}

std::filesystem::path Checkpoint::PathOf(int index) const {
  return folder_ / absl::StrFormat("%s%04d", kSublayerPrefix.data(), index);
}

}  // namespace kprune
