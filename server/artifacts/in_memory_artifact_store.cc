#include "server/artifacts/in_memory_artifact_store.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/artifacts/sha256.h"
#include "server/artifacts/upload_rules.h"

namespace kprune {
namespace {

std::string HexDigest(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return hash.HexDigest();
}

}  // namespace

class InMemoryUpload final : public ArtifactUpload {
 public:
  InMemoryUpload(InMemoryArtifactStore* store, WriterClaim claim, int64_t declared_bytes, std::string bytes)
      : store_(store),
        sha256_(claim.sha256()),
        declared_bytes_(declared_bytes),
        claim_(std::move(claim)),
        bytes_(std::move(bytes)) {}

  ~InMemoryUpload() override {
    if (!claim_) return;
    std::lock_guard lock(store_->mutex_);
    store_->partials_[sha256_] = {std::move(bytes_), absl::Now()};
  }

  absl::Status Append(std::string_view bytes) override {
    const absl::Status checked =
        CheckAppend(sha256_, size_bytes(), static_cast<int64_t>(bytes.size()), declared_bytes_);
    if (checked.ok()) bytes_.append(bytes);
    return checked;
  }

  absl::StatusOr<Artifact> Finish() override {
    const absl::Status checked = CheckFinished(sha256_, declared_bytes_, HexDigest(bytes_), size_bytes());
    if (checked.ok()) store_->Put(bytes_);
    Discard();
    if (!checked.ok()) return checked;
    return Artifact{sha256_, declared_bytes_};
  }

  void Discard() override {
    {
      std::lock_guard lock(store_->mutex_);
      store_->partials_.erase(sha256_);
    }
    claim_.reset();
  }

  int64_t size_bytes() const override { return static_cast<int64_t>(bytes_.size()); }

 private:
  InMemoryArtifactStore* const store_;
  const std::string sha256_;
  const int64_t declared_bytes_;
  // Empty once the digest is given free.
  std::optional<WriterClaim> claim_;
  std::string bytes_;
};

class InMemoryReader final : public ArtifactReader {
 public:
  InMemoryReader(InMemoryArtifactStore* store, std::string sha256, InMemoryArtifactStore::Bytes bytes,
                 int64_t offset)
      : store_(store),
        sha256_(std::move(sha256)),
        bytes_(std::move(bytes)),
        from_start_(offset == 0),
        position_(static_cast<size_t>(offset)) {}

  int64_t size_bytes() const override { return static_cast<int64_t>(bytes_->size()); }

  absl::Status Read(int64_t max_bytes, std::string* bytes) override {
    *bytes = bytes_->substr(position_, static_cast<size_t>(max_bytes));
    position_ += bytes->size();
    if (!from_start_ || position_ < bytes_->size()) return absl::OkStatus();
    const std::string actual = HexDigest(*bytes_);
    if (actual == sha256_) return absl::OkStatus();
    const absl::Status aside = store_->Delete(sha256_);
    if (!aside.ok() && !absl::IsNotFound(aside)) return aside;
    return Corrupt(sha256_, actual);
  }

 private:
  InMemoryArtifactStore* const store_;
  const std::string sha256_;
  const InMemoryArtifactStore::Bytes bytes_;
  const bool from_start_;
  size_t position_;
};

absl::StatusOr<std::vector<std::string>> InMemoryArtifactStore::FindMissing(
    const std::vector<std::string>& digests) {
  std::vector<std::string> missing;
  for (const std::string& sha256 : digests) {
    const absl::Status checked = CheckDigest(sha256);
    if (!checked.ok()) return checked;
    if (Use(sha256) == nullptr) missing.push_back(sha256);
  }
  return missing;
}

absl::StatusOr<UploadState> InMemoryArtifactStore::Query(std::string_view sha256) {
  const absl::Status checked = CheckDigest(sha256);
  if (!checked.ok()) return checked;
  if (const Bytes bytes = Find(sha256)) return UploadState{static_cast<int64_t>(bytes->size()), true};
  if (const std::optional<int64_t> uploading = claims_.CommittedBytes(sha256))
    return UploadState{*uploading, false};
  std::lock_guard lock(mutex_);
  const auto partial = partials_.find(sha256);
  if (partial == partials_.end()) return UploadState{};
  return UploadState{static_cast<int64_t>(partial->second.bytes.size()), false};
}

absl::StatusOr<std::unique_ptr<ArtifactUpload>> InMemoryArtifactStore::BeginUpload(std::string_view sha256,
                                                                                   int64_t size_bytes,
                                                                                   int64_t offset) {
  absl::Status status = CheckDigest(sha256);
  if (status.ok()) status = CheckUploadSize(sha256, size_bytes, options_.max_artifact_bytes);
  if (!status.ok()) return status;
  absl::StatusOr<WriterClaim> claim = claims_.Claim(sha256, 0);
  if (const Bytes bytes = Use(sha256)) {
    status = CheckStoredSize(sha256, size_bytes, static_cast<int64_t>(bytes->size()));
    if (!status.ok()) return status;
    return nullptr;
  }
  if (!claim.ok()) return claim.status();

  std::lock_guard lock(mutex_);
  Partial& partial = partials_[std::string(sha256)];
  partial.changed = absl::Now();
  const int64_t committed = static_cast<int64_t>(partial.bytes.size());
  if (offset != committed) return WrongOffset(sha256, offset, committed);
  if (committed > size_bytes) {
    partials_.erase(std::string(sha256));
    return CheckFinished(sha256, size_bytes, sha256, committed);
  }
  if (stored_bytes_ + size_bytes > options_.capacity_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("disk low: ", stored_bytes_, " of ",
                                                     options_.capacity_bytes,
                                                     " bytes are used; delete finished jobs first"));
  }
  claim->SetCommitted(committed);
  return std::make_unique<InMemoryUpload>(this, *std::move(claim), size_bytes, partial.bytes);
}

absl::StatusOr<Artifact> InMemoryArtifactStore::PutFile(const std::filesystem::path& file) {
  std::error_code error;
  const std::filesystem::file_type type = std::filesystem::symlink_status(file, error).type();
  if (type == std::filesystem::file_type::not_found)
    return absl::NotFoundError(absl::StrCat("cannot open ", file.string()));
  // Looked at before it is opened: opening a pipe waits for its writer.
  std::ifstream stream;
  if (type == std::filesystem::file_type::regular) stream.open(file, std::ios::binary);
  if (!stream.is_open()) {
    return absl::InvalidArgumentError(absl::StrCat(file.string(), " is not a readable regular file"));
  }
  std::string bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (bytes.empty())
    return absl::InvalidArgumentError(absl::StrCat(file.string(), " is empty; an artifact is not"));
  return Put(std::move(bytes));
}

absl::StatusOr<std::unique_ptr<ArtifactReader>> InMemoryArtifactStore::OpenForRead(std::string_view sha256,
                                                                                   int64_t offset) {
  absl::Status status = CheckDigest(sha256);
  if (!status.ok()) return status;
  Bytes bytes = Find(sha256);
  if (bytes == nullptr) return NotStored(sha256);
  status = CheckReadOffset(sha256, offset, static_cast<int64_t>(bytes->size()));
  if (!status.ok()) return status;
  return std::make_unique<InMemoryReader>(this, std::string(sha256), std::move(bytes), offset);
}

absl::Status InMemoryArtifactStore::LinkTo(std::string_view sha256,
                                           const std::filesystem::path& destination) {
  const absl::Status checked = CheckDigest(sha256);
  if (!checked.ok()) return checked;
  const Bytes bytes = Find(sha256);
  if (bytes == nullptr) return NotStored(sha256);
  if (std::filesystem::exists(destination)) {
    return absl::AlreadyExistsError(absl::StrCat("cannot write ", destination.string(), ": it exists"));
  }
  std::ofstream stream(destination, std::ios::binary);
  if (!stream.write(bytes->data(), static_cast<std::streamsize>(bytes->size())).flush()) {
    return absl::InternalError(absl::StrCat("cannot write ", destination.string()));
  }
  return absl::OkStatus();
}

absl::Status InMemoryArtifactStore::Delete(std::string_view sha256) {
  const absl::Status checked = CheckDigest(sha256);
  if (!checked.ok()) return checked;
  std::lock_guard lock(mutex_);
  const auto object = objects_.find(sha256);
  if (object == objects_.end()) return NotStored(sha256);
  stored_bytes_ -= static_cast<int64_t>(object->second.bytes->size());
  objects_.erase(object);
  return absl::OkStatus();
}

ArtifactUsage InMemoryArtifactStore::Usage() const {
  std::lock_guard lock(mutex_);
  return {static_cast<int64_t>(objects_.size()), stored_bytes_};
}

absl::StatusOr<std::vector<std::string>> InMemoryArtifactStore::ListUnused(absl::Time before) {
  std::lock_guard lock(mutex_);
  std::vector<std::string> unused;
  for (const auto& [sha256, object] : objects_) {
    if (object.used < before) unused.push_back(sha256);
  }
  return unused;
}

absl::StatusOr<int> InMemoryArtifactStore::RemoveStaleUploads(absl::Time before) {
  std::lock_guard lock(mutex_);
  return static_cast<int>(std::erase_if(partials_, [&](const auto& item) {
    return item.second.changed < before && !claims_.CommittedBytes(item.first);
  }));
}

Artifact InMemoryArtifactStore::Put(std::string bytes) {
  const Artifact artifact{HexDigest(bytes), static_cast<int64_t>(bytes.size())};
  std::lock_guard lock(mutex_);
  const auto [object, added] = objects_.try_emplace(artifact.sha256);
  object->second.used = absl::Now();
  if (!added) return artifact;
  object->second.bytes = std::make_shared<const std::string>(std::move(bytes));
  stored_bytes_ += artifact.size_bytes;
  return artifact;
}

void InMemoryArtifactStore::Corrupt(std::string_view sha256, std::string bytes) {
  std::lock_guard lock(mutex_);
  Bytes& stored = objects_[std::string(sha256)].bytes;
  if (stored != nullptr) stored_bytes_ -= static_cast<int64_t>(stored->size());
  stored_bytes_ += static_cast<int64_t>(bytes.size());
  stored = std::make_shared<const std::string>(std::move(bytes));
}

InMemoryArtifactStore::Bytes InMemoryArtifactStore::Find(std::string_view sha256) {
  std::lock_guard lock(mutex_);
  const auto object = objects_.find(sha256);
  return object == objects_.end() ? nullptr : object->second.bytes;
}

InMemoryArtifactStore::Bytes InMemoryArtifactStore::Use(std::string_view sha256) {
  std::lock_guard lock(mutex_);
  const auto object = objects_.find(sha256);
  if (object == objects_.end()) return nullptr;
  object->second.used = absl::Now();
  return object->second.bytes;
}

absl::Status InMemoryArtifactStore::Renew(std::string_view sha256) {
  const absl::StatusOr<std::vector<std::string>> missing = FindMissing({std::string(sha256)});
  if (!missing.ok()) return missing.status();
  return missing->empty() ? absl::OkStatus() : NotStored(sha256);
}

}  // namespace kprune
