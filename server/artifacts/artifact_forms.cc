#include "server/artifacts/artifact_forms.h"

#include <fcntl.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/artifacts/file_cipher.h"
#include "server/artifacts/sealed_file.h"

namespace kprune {
namespace fs = std::filesystem;
namespace {

constexpr char kSealedSuffix[] = ".sealed";

bool IsSealed(const fs::path& file) { return file.extension() == kSealedSuffix; }

fs::path Sealed(const fs::path& plain) { return plain.string() + kSealedSuffix; }

// The header of an encrypted file, shorter where the file is.
absl::StatusOr<std::string> ReadHeader(Disk& disk, const fs::path& file) {
  absl::StatusOr<PosixFile> opened = PosixFile::Open(disk, file, O_RDONLY);
  if (!opened.ok()) return opened.status();
  std::string header;
  if (absl::Status read = opened->ReadAt(0, FileCipher::kHeaderBytes, &header); !read.ok()) return read;
  return header;
}

}  // namespace

fs::path ArtifactForms::Today(const fs::path& plain) const {
  return encryption_ != nullptr ? Sealed(plain) : plain;
}

fs::path ArtifactForms::Other(const fs::path& plain) const {
  return encryption_ != nullptr ? plain : Sealed(plain);
}

absl::StatusOr<std::unique_ptr<ContentFile>> ArtifactForms::Open(const fs::path& file) const {
  absl::StatusOr<PosixFile> opened = PosixFile::Open(disk_, file, O_RDONLY);
  if (!opened.ok()) return opened.status();
  if (!IsSealed(file)) return std::make_unique<PlainFile>(*std::move(opened));
  if (encryption_ == nullptr) return absl::DataLossError("the file is encrypted, and this server has no key");
  return SealedFile::Open(encryption_->keys, *std::move(opened));
}

absl::StatusOr<std::unique_ptr<ContentFile>> ArtifactForms::Make(const fs::path& file) const {
  absl::StatusOr<PosixFile> made = PosixFile::Open(disk_, file, O_RDWR | O_CREAT | O_EXCL);
  if (!made.ok()) return made.status();
  if (encryption_ == nullptr) return std::make_unique<PlainFile>(*std::move(made));
  auto sealed = SealedFile::Make(encryption_->keys, encryption_->chunk_bytes, *std::move(made));
  if (!sealed.ok()) RemoveFile(disk_, file).IgnoreError();
  return sealed;
}

absl::StatusOr<PartialArtifact> ArtifactForms::OpenPartial(const fs::path& data, const fs::path& record,
                                                           bool make) const {
  const int flags = make ? O_RDWR | O_CREAT : O_RDONLY;
  absl::StatusOr<PosixFile> data_file = PosixFile::Open(disk_, data, flags);
  if (absl::IsNotFound(data_file.status())) return PartialArtifact{};
  if (!data_file.ok()) return data_file.status();
  absl::StatusOr<PosixFile> record_file = PosixFile::Open(disk_, record, flags);
  if (absl::IsNotFound(record_file.status())) return PartialArtifact{};
  if (!record_file.ok()) return record_file.status();
  if (encryption_ == nullptr)
    return PartialArtifact{std::make_unique<PlainFile>(*std::move(data_file)),
                           std::make_unique<PlainRecord>(*std::move(record_file))};
  auto sealed = SealedFile::Open(encryption_->keys, *std::move(data_file));
  if (absl::IsDataLoss(sealed.status())) {
    // New, or of a crash before anything was safe, or under a key that is gone.
    if (!make) return PartialArtifact{};
    data_file = PosixFile::Open(disk_, data, flags);
    if (!data_file.ok()) return data_file.status();
    sealed = SealedFile::Make(encryption_->keys, encryption_->chunk_bytes, *std::move(data_file));
  }
  if (!sealed.ok()) return sealed.status();
  auto sealed_record = std::make_unique<SealedRecord>(*std::move(record_file), (*sealed)->cipher());
  return PartialArtifact{*std::move(sealed), std::move(sealed_record)};
}

absl::StatusOr<int64_t> ArtifactForms::CommittedBytes(const fs::path& data, const fs::path& record) const {
  const absl::StatusOr<PartialArtifact> partial = OpenPartial(data, record, /*make=*/false);
  if (!partial.ok()) return partial.status();
  if (partial->data == nullptr) return 0;
  const absl::StatusOr<int64_t> size = partial->data->size_bytes();
  if (!size.ok()) return size.status();
  const absl::StatusOr<Committed> committed = partial->record->Read();
  if (!committed.ok()) return committed.status();
  const int64_t in_file = committed->size_bytes - static_cast<int64_t>(committed->tail.size());
  if (in_file < 0) return 0;
  return in_file <= *size ? committed->size_bytes : *size - *size % partial->data->chunk_bytes();
}

absl::StatusOr<int64_t> ArtifactForms::ContentBytes(const fs::path& file) const {
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(file, error));
  if (!error && IsSealed(file) && encryption_ != nullptr)
    return SealedFile::ContentBytes(size, encryption_->chunk_bytes);
  if (!error) return size;
  errno = error.value();
  return ErrnoStatus("examine", file);
}

absl::StatusOr<bool> ArtifactForms::IsOutdated(const fs::path& file) const {
  if (encryption_ == nullptr || !IsSealed(file)) return encryption_ != nullptr;
  const absl::StatusOr<std::string> header = ReadHeader(disk_, file);
  if (!header.ok()) return header.status();
  const absl::StatusOr<std::string> id = FileCipher::KeyIdOf(*header);
  return id.ok() && *id != encryption_->keys.current().id;  // a damaged one is for who reads it
}

absl::Status ArtifactForms::CheckKey(const fs::path& file) const {
  if (!IsSealed(file)) return absl::OkStatus();
  const absl::StatusOr<std::string> header = ReadHeader(disk_, file);
  if (!header.ok()) return header.status();
  const absl::StatusOr<std::string> id = FileCipher::KeyIdOf(*header);
  if (!id.ok() || (encryption_ != nullptr && encryption_->keys.Find(*id) != nullptr)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      file.string(), " is encrypted under key ", KeyName(*id),
      encryption_ != nullptr ? ", which --encryption-key-file does not hold; add its line to the file."
                             : "; give --encryption-key-file with the file that holds it."));
}

}  // namespace kprune
