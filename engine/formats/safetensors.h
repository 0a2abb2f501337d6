// The safetensors format: eight bytes of header length (little endian), a JSON header, then the tensors'
// bytes. https://github.com/huggingface/safetensors describes it; a file is hostile until every check below
// has passed.
#ifndef KPRUNE_ENGINE_FORMATS_SAFETENSORS_H_
#define KPRUNE_ENGINE_FORMATS_SAFETENSORS_H_

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kprune/tensor_source.h"

namespace kprune {

// What a header may hold. The first two are the format's own; the others are far above any encoder's needs.
inline constexpr int64_t kMaxSafetensorsHeaderBytes = 100'000'000;
inline constexpr int kMaxTensorRank = 8;
inline constexpr int kMaxTensorCount = 100'000;
inline constexpr int kMaxTensorNameBytes = 512;

// Maps a file read-only and checks its header. The views point into the map; nothing is copied. `bytes` may
// be unaligned: copy before reading elements through a typed pointer. INVALID_ARGUMENT, naming file and
// tensor: header size or JSON, duplicate keys, overlaps, holes, data that does not end with the file, shape
// against dtype and offsets, integer overflow, fractions or negatives as numbers, unknown dtype (F8 kinds
// included), more than the limits above. NOT_FOUND: no such file.
absl::StatusOr<std::unique_ptr<TensorSource>> OpenSafetensors(const std::filesystem::path& path);

// Name of an element type in the header, e.g. "BF16".
std::string_view DTypeName(DType dtype);

// Writes a file whose bytes depend on the arguments only, the same bytes that Hugging Face's library writes
// (with at most one metadata entry, whose order is random there): tensors in the order I64, F64, F32, I32,
// BF16, F16, I16, I8, U8, BOOL, then by name; header padded with spaces to a multiple of 8. Temporary file,
// fsync, rename. INVALID_ARGUMENT: a name twice, "__metadata__" as a name, bytes that disagree with the
// shape. transformers wants {"format": "pt"} as metadata.
absl::Status WriteSafetensors(const std::filesystem::path& path, absl::Span<const TensorView> tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_SAFETENSORS_H_
