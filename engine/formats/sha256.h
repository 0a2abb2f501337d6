// SHA-256 digests, as 64 lower-case hexadecimal digits. Thread-safe: pure functions.
#ifndef KPRUNE_ENGINE_FORMATS_SHA256_H_
#define KPRUNE_ENGINE_FORMATS_SHA256_H_

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace kprune {

std::string Sha256OfBytes(std::string_view bytes);

// Maps the file. NOT_FOUND where there is none, INVALID_ARGUMENT where it is no regular file.
absl::StatusOr<std::string> Sha256OfFile(const std::filesystem::path& path);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_SHA256_H_
