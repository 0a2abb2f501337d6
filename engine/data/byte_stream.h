// The bytes of a data file from first to last, unpacked where it is compressed.
#ifndef KPRUNE_ENGINE_DATA_BYTE_STREAM_H_
#define KPRUNE_ENGINE_DATA_BYTE_STREAM_H_

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace kprune {

// Not thread-safe. Errors name the file.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Writes up to buffer.size() bytes into `buffer`; 0 at the end and only there. INVALID_ARGUMENT where a
  // compressed file is damaged or ends early.
  virtual absl::StatusOr<size_t> Read(absl::Span<char> buffer) = 0;
};

// ".gz" and ".zst", where the name ends so; else "".
std::string_view CompressionOf(const std::filesystem::path& path);

// What the name ends with before CompressionOf, in lower case: ".csv" of "Dev.CSV.gz".
std::string ExtensionOf(const std::filesystem::path& path);

// Opens a file of text, of which the name says how it is compressed. NOT_FOUND where there is none.
// INVALID_ARGUMENT where it is no regular file, or its first bytes are those of something else than its name
// says: of gzip, zstd, zip, Parquet, UTF-16.
absl::StatusOr<std::unique_ptr<ByteStream>> OpenText(const std::filesystem::path& path);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_BYTE_STREAM_H_
