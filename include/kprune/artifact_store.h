// Artifacts: immutable byte strings named by their SHA-256 (models, data sets, results; one artifact a file).
// An upload survives broken connections and crashes of the server: it continues at its committed size.
//
// Digests are 64 lower-case hexadecimal digits; anything else is InvalidArgument from every function, so a
// path is only ever built from a checked digest. Whether a job still needs an artifact is the caller's to
// check before Delete.
#ifndef KPRUNE_ARTIFACT_STORE_H_
#define KPRUNE_ARTIFACT_STORE_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace kprune {

inline bool IsArtifactDigest(std::string_view text) {
  if (text.size() != 64) return false;
  for (const char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  }
  return true;
}

struct Artifact {
  std::string sha256;
  int64_t size_bytes = 0;
};

struct UploadState {
  // Bytes that survive a crash; for a stored artifact, its size; 0 where nothing is known of the digest.
  int64_t committed_bytes = 0;
  // The artifact is stored.
  bool complete = false;
};

struct ArtifactUsage {
  int64_t artifacts = 0;
  int64_t bytes = 0;
};

// One upload in progress; while it exists no other writer gets the same digest. Destroying it commits what
// was appended, so that a later upload continues there. Used by one thread at a time; must not outlive its
// store.
class ArtifactUpload {
 public:
  virtual ~ArtifactUpload() = default;

  // Adds the next bytes. OutOfRange past the declared size (nothing of `bytes` is kept), ResourceExhausted
  // when the disk is low.
  virtual absl::Status Append(std::string_view bytes) = 0;

  // Checks size and digest and publishes the artifact; OK means that it survives a crash. InvalidArgument on
  // a mismatch, and the partial upload is removed. Nothing may be called after it.
  virtual absl::StatusOr<Artifact> Finish() = 0;

  // Removes the partial upload. Nothing may be called after it.
  virtual void Discard() = 0;

  // Bytes appended so far, those of earlier uploads included.
  virtual int64_t size_bytes() const = 0;
};

// An artifact being read. Used by one thread at a time; stays readable when the artifact is deleted
// meanwhile.
class ArtifactReader {
 public:
  virtual ~ArtifactReader() = default;

  // Size of the whole artifact.
  virtual int64_t size_bytes() const = 0;

  // Replaces `*bytes` by the next 1 to `max_bytes` bytes; empty at the end. DataLoss when the artifact was
  // read from its first byte and what was read does not have its digest; the store then sets the artifact
  // aside, so that it counts as missing and can be uploaded again.
  virtual absl::Status Read(int64_t max_bytes, std::string* bytes) = 0;
};

// Thread-safe.
class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;

  // Those of `digests` that are not stored, in their order.
  virtual absl::StatusOr<std::vector<std::string>> FindMissing(const std::vector<std::string>& digests) = 0;

  virtual absl::StatusOr<UploadState> Query(std::string_view sha256) = 0;

  // Starts or continues an upload of `size_bytes` at `offset`. Null when the artifact is already stored.
  // InvalidArgument (size not positive, or not that of the stored artifact), OutOfRange (offset negative or
  // past the size), Aborted with the committed size (offset is another, or somebody else is uploading),
  // ResourceExhausted (over the largest artifact; disk low).
  virtual absl::StatusOr<std::unique_ptr<ArtifactUpload>> BeginUpload(std::string_view sha256,
                                                                      int64_t size_bytes, int64_t offset) = 0;

  // Stores a copy of a local file (a result); the file stays. NotFound, or InvalidArgument where it is empty
  // or no regular file.
  virtual absl::StatusOr<Artifact> PutFile(const std::filesystem::path& file) = 0;

  // NotFound when it is not stored; OutOfRange when `offset` is negative or past the end.
  virtual absl::StatusOr<std::unique_ptr<ArtifactReader>> OpenForRead(std::string_view sha256,
                                                                      int64_t offset) = 0;

  // Makes the artifact appear as the new file `destination` without copying where the file system allows it
  // (a hard link: the receiver must not write to it). NotFound when it is not stored, AlreadyExists when the
  // destination exists, DataLoss as ArtifactReader::Read where it was copied.
  virtual absl::Status LinkTo(std::string_view sha256, const std::filesystem::path& destination) = 0;

  // Removes a stored artifact; readers and links keep its bytes. NotFound when it is not stored.
  virtual absl::Status Delete(std::string_view sha256) = 0;

  // Of what is stored; partial uploads do not count. A running sum: it may be asked often.
  virtual ArtifactUsage Usage() const = 0;

  // For who tidies up. Stored artifacts that were neither stored nor asked for by FindMissing or BeginUpload
  // since `before`: whoever was told that one is there has had so long to refer to it.
  virtual absl::StatusOr<std::vector<std::string>> ListUnused(absl::Time before) = 0;

  // Removes the partial uploads that nobody has continued since `before` and nobody is continuing now, and
  // returns how many.
  virtual absl::StatusOr<int> RemoveStaleUploads(absl::Time before) = 0;

  // Also for who tidies up. Stored artifacts that the store would write in another form today: not encrypted,
  // or under a key of before.
  virtual absl::StatusOr<std::vector<std::string>> ListOutdated() = 0;

  // Writes a stored artifact anew in today's form; readers and links keep the bytes that they have. NotFound
  // when it is not stored; DataLoss as ArtifactReader::Read.
  virtual absl::Status Renew(std::string_view sha256) = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ARTIFACT_STORE_H_
