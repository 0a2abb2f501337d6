#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/file.h"
#include "engine/formats/quoted.h"
#include "engine/formats/safetensors.h"
#include "nlohmann/json.hpp"

namespace kprune {
namespace {

// The order of element types in files that Hugging Face's library writes: falling alignment.
constexpr std::array kDTypeOrder = {DType::kI64, DType::kF64, DType::kF32, DType::kI32, DType::kBF16,
                                    DType::kF16, DType::kI16, DType::kI8,  DType::kU8,  DType::kBool};

size_t DTypeRank(DType dtype) {
  return static_cast<size_t>(std::find(kDTypeOrder.begin(), kDTypeOrder.end(), dtype) - kDTypeOrder.begin());
}

std::vector<const TensorView*> InFileOrder(absl::Span<const TensorView> tensors) {
  std::vector<const TensorView*> sorted;
  for (const TensorView& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const TensorView* a, const TensorView* b) {
    const size_t rank_a = DTypeRank(a->dtype), rank_b = DTypeRank(b->dtype);
    return rank_a != rank_b ? rank_a < rank_b : a->name < b->name;
  });
  return sorted;
}

absl::Status CheckTensor(const TensorView& tensor) {
  if (tensor.name.empty() || tensor.name.size() > kMaxTensorNameBytes || tensor.name == "__metadata__") {
    return absl::InvalidArgumentError(absl::StrCat("a tensor cannot have the name ", Quoted(tensor.name)));
  }
  int64_t bytes = SizeOf(tensor.dtype);
  for (int64_t size : tensor.shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", Quoted(tensor.name),
                                                     " has the impossible shape [",
                                                     absl::StrJoin(tensor.shape, ", "), "]"));
    }
  }
  if (bytes != static_cast<int64_t>(tensor.bytes.size())) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", Quoted(tensor.name), " has the shape [", absl::StrJoin(tensor.shape, ", "),
                     "], which takes ", bytes, " bytes, but ", tensor.bytes.size(), " were given"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> JsonString(std::string_view text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    return absl::InvalidArgumentError(absl::StrCat("the name ", Quoted(text), " is not valid UTF-8"));
  }
}

absl::StatusOr<std::string> MetadataEntry(const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> entries;
  for (const auto& [key, value] : metadata) {
    absl::StatusOr<std::string> key_json = JsonString(key);
    if (!key_json.ok()) return key_json.status();
    absl::StatusOr<std::string> value_json = JsonString(value);
    if (!value_json.ok()) return value_json.status();
    entries.push_back(absl::StrCat(*key_json, ":", *value_json));
  }
  return absl::StrCat("\"__metadata__\":{", absl::StrJoin(entries, ","), "}");
}

absl::StatusOr<std::string> Header(const std::vector<const TensorView*>& tensors,
                                   const std::map<std::string, std::string>& metadata) {
  std::vector<std::string> entries;
  if (!metadata.empty()) {
    absl::StatusOr<std::string> entry = MetadataEntry(metadata);
    if (!entry.ok()) return entry.status();
    entries.push_back(*std::move(entry));
  }
  size_t offset = 0;
  for (const TensorView* tensor : tensors) {
    absl::StatusOr<std::string> name = JsonString(tensor->name);
    if (!name.ok()) return name.status();
    const size_t end = offset + tensor->bytes.size();
    entries.push_back(absl::StrCat(*name, ":{\"dtype\":\"", std::string(DTypeName(tensor->dtype)),
                                   "\",\"shape\":[", absl::StrJoin(tensor->shape, ","),
                                   "],\"data_offsets\":[", offset, ",", end, "]}"));
    offset = end;
  }
  std::string header = absl::StrCat("{", absl::StrJoin(entries, ","), "}");
  header.resize((header.size() + 7) / 8 * 8, ' ');
  return header;
}

}  // namespace

absl::Status WriteSafetensors(const std::filesystem::path& path, absl::Span<const TensorView> tensors,
                              const std::map<std::string, std::string>& metadata) {
  const std::vector<const TensorView*> sorted = InFileOrder(tensors);
  std::vector<std::string_view> names;
  for (const TensorView* tensor : sorted) {
    if (absl::Status status = CheckTensor(*tensor); !status.ok()) return status;
    names.push_back(tensor->name);
  }
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) {
    return absl::InvalidArgumentError(absl::StrCat("two tensors have the name ", Quoted(*twice)));
  }
  absl::StatusOr<std::string> header = Header(sorted, metadata);
  if (!header.ok()) return header.status();
  const uint64_t header_bytes = header->size();  // little endian, as the reader asserts
  std::vector<std::string_view> pieces = {
      std::string_view(reinterpret_cast<const char*>(&header_bytes), sizeof(header_bytes)), *header};
  for (const TensorView* tensor : sorted) {
    pieces.emplace_back(reinterpret_cast<const char*>(tensor->bytes.data()), tensor->bytes.size());
  }
  return WriteFileDurably(path, pieces);
}

}  // namespace kprune
