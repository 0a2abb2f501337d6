#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"
#include "engine/formats/quoted.h"
#include "engine/formats/safetensors.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors are read in place, as little endian");

constexpr std::array<std::pair<std::string_view, DType>, 10> kDTypes = {{{"F64", DType::kF64},
                                                                         {"F32", DType::kF32},
                                                                         {"F16", DType::kF16},
                                                                         {"BF16", DType::kBF16},
                                                                         {"I64", DType::kI64},
                                                                         {"I32", DType::kI32},
                                                                         {"I16", DType::kI16},
                                                                         {"I8", DType::kI8},
                                                                         {"U8", DType::kU8},
                                                                         {"BOOL", DType::kBool}}};

constexpr std::string_view kAcceptedDTypes = "F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL";

class SafetensorsFile : public TensorSource {
 public:
  SafetensorsFile(std::unique_ptr<MappedFile> file, std::vector<TensorView> tensors)
      : file_(std::move(file)), tensors_(std::move(tensors)) {
    for (const TensorView& tensor : tensors_) by_name_.emplace(tensor.name, &tensor);
  }

  const TensorView* Find(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
  }

  const std::vector<TensorView>& tensors() const override { return tensors_; }

 private:
  // Constant after construction.
  const std::unique_ptr<MappedFile> file_;
  const std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, const TensorView*> by_name_;
};

// Checks one header against one block of data. Every message starts with the file and, where one is at fault,
// the tensor.
class HeaderReader {
 public:
  HeaderReader(std::string file, absl::Span<const std::byte> data) : file_(std::move(file)), data_(data) {}

  absl::StatusOr<std::vector<TensorView>> Read(const Json& header) {
    if (!header.is_object()) return Refuse("the header is not a JSON object");
    if (header.size() > kMaxTensorCount + 1) {
      return Refuse(absl::StrCat("the header names ", header.size(), " tensors, at most ", kMaxTensorCount,
                                 " are accepted"));
    }
    std::vector<TensorView> tensors;
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        if (absl::Status status = CheckMetadata(entry); !status.ok()) return status;
        continue;
      }
      absl::StatusOr<TensorView> tensor = ReadTensor(name, entry);
      if (!tensor.ok()) return tensor.status();
      tensors.push_back(*std::move(tensor));
    }
    if (absl::Status status = CheckCoverage(tensors); !status.ok()) return status;
    return tensors;
  }

 private:
  absl::Status Refuse(std::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat(file_, ": ", std::string(problem)));
  }

  absl::Status RefuseTensor(std::string_view name, std::string_view problem) const {
    return Refuse(absl::StrCat("tensor ", Quoted(name), " ", std::string(problem)));
  }

  absl::Status CheckMetadata(const Json& metadata) const {
    if (!metadata.is_object()) return Refuse("__metadata__ is not an object of strings");
    for (const auto& [key, value] : metadata.items()) {
      if (!value.is_string()) return Refuse(absl::StrCat("__metadata__ ", Quoted(key), " is not a string"));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<TensorView> ReadTensor(const std::string& name, const Json& entry) const {
    TensorView tensor;
    tensor.name = name;
    if (name.empty() || name.size() > kMaxTensorNameBytes) {
      return RefuseTensor(name, absl::StrCat("has a name of ", name.size(), " bytes, accepted are 1 to ",
                                             kMaxTensorNameBytes));
    }
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
        !entry.contains("data_offsets")) {
      return RefuseTensor(name, "does not have exactly the keys dtype, shape and data_offsets");
    }
    if (absl::Status status = ReadDType(entry["dtype"], tensor); !status.ok()) return status;
    if (absl::Status status = ReadShape(entry["shape"], tensor); !status.ok()) return status;
    if (absl::Status status = ReadBytes(entry["data_offsets"], tensor); !status.ok()) return status;
    return tensor;
  }

  absl::Status ReadDType(const Json& dtype, TensorView& tensor) const {
    if (!dtype.is_string()) return RefuseTensor(tensor.name, "has a dtype that is not a string");
    const std::string& name = dtype.get_ref<const std::string&>();
    for (const auto& [known, value] : kDTypes) {
      if (known == name) {
        tensor.dtype = value;
        return absl::OkStatus();
      }
    }
    return RefuseTensor(tensor.name, absl::StrCat("has the dtype ", Quoted(name), ", accepted are ",
                                                  std::string(kAcceptedDTypes)));
  }

  // 1.5, 1.0, -1 and "1" are all no sizes.
  static std::optional<int64_t> ReadSize(const Json& value) {
    if (!value.is_number_unsigned()) return std::nullopt;
    const uint64_t size = value.get<uint64_t>();
    if (size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(size);
  }

  absl::Status ReadShape(const Json& shape, TensorView& tensor) const {
    if (!shape.is_array()) return RefuseTensor(tensor.name, "has a shape that is not an array");
    if (shape.size() > kMaxTensorRank) {
      return RefuseTensor(tensor.name, absl::StrCat("has ", shape.size(), " dimensions, at most ",
                                                    kMaxTensorRank, " are accepted"));
    }
    for (const Json& value : shape) {
      const std::optional<int64_t> size = ReadSize(value);
      if (!size) {
        return RefuseTensor(tensor.name, "has a dimension that is not a whole number from 0 to 2^63-1");
      }
      tensor.shape.push_back(*size);
    }
    return absl::OkStatus();
  }

  // nullopt where the product does not fit 63 bits; a zero does not hide an absurd dimension beside it.
  static std::optional<int64_t> SizeInBytes(const TensorView& tensor) {
    int64_t bytes = SizeOf(tensor.dtype);
    bool empty = false;
    for (int64_t size : tensor.shape) {
      empty = empty || size == 0;
      if (__builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes)) return std::nullopt;
    }
    return empty ? 0 : bytes;
  }

  absl::Status ReadBytes(const Json& offsets, TensorView& tensor) const {
    if (!offsets.is_array() || offsets.size() != 2) {
      return RefuseTensor(tensor.name, "has data_offsets that are not an array of two numbers");
    }
    const std::optional<int64_t> begin = ReadSize(offsets[0]);
    const std::optional<int64_t> end = ReadSize(offsets[1]);
    if (!begin || !end) {
      return RefuseTensor(tensor.name, "has data_offsets that are not whole numbers from 0 to 2^63-1");
    }
    if (*begin > *end || *end > static_cast<int64_t>(data_.size())) {
      return RefuseTensor(tensor.name, absl::StrCat("has the data_offsets [", *begin, ", ", *end,
                                                    "], but the file has ", data_.size(), " bytes of data"));
    }
    const std::optional<int64_t> expected = SizeInBytes(tensor);
    if (!expected) {
      return RefuseTensor(tensor.name, absl::StrCat("has the shape [", absl::StrJoin(tensor.shape, ", "),
                                                    "], whose size in bytes overflows 64 bits"));
    }
    if (*expected != *end - *begin) {
      return RefuseTensor(tensor.name,
                          absl::StrCat("has the shape [", absl::StrJoin(tensor.shape, ", "), "] of ",
                                       std::string(DTypeName(tensor.dtype)), ", which takes ", *expected,
                                       " bytes, but its data_offsets span ", *end - *begin));
    }
    tensor.bytes = data_.subspan(static_cast<size_t>(*begin), static_cast<size_t>(*expected));
    return absl::OkStatus();
  }

  // Puts the tensors in the order of their data, which must be covered exactly once.
  absl::Status CheckCoverage(std::vector<TensorView>& tensors) const {
    std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
      return std::make_tuple(a.bytes.data(), a.bytes.size(), std::string_view(a.name)) <
             std::make_tuple(b.bytes.data(), b.bytes.size(), std::string_view(b.name));
    });
    size_t covered = 0;
    for (const TensorView& tensor : tensors) {
      const size_t begin = static_cast<size_t>(tensor.bytes.data() - data_.data());
      if (begin < covered) return RefuseTensor(tensor.name, "overlaps the tensor before it");
      if (begin > covered) {
        return RefuseTensor(tensor.name,
                            absl::StrCat("leaves a hole of ", begin - covered, " bytes before it"));
      }
      covered += tensor.bytes.size();
    }
    if (covered != data_.size()) {
      return Refuse(absl::StrCat("the tensors end ", data_.size() - covered, " bytes before the file does"));
    }
    return absl::OkStatus();
  }

  const std::string file_;
  const absl::Span<const std::byte> data_;
};

}  // namespace

std::string_view DTypeName(DType dtype) {
  for (const auto& [name, value] : kDTypes) {
    if (value == dtype) return name;
  }
  return "";
}

absl::StatusOr<std::unique_ptr<TensorSource>> OpenSafetensors(const std::filesystem::path& path) {
  absl::StatusOr<std::unique_ptr<MappedFile>> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  const absl::Span<const std::byte> bytes = (*file)->bytes();
  uint64_t header_bytes = 0;
  if (bytes.size() < sizeof(header_bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), ": ", bytes.size(),
                     " bytes are no safetensors file, which starts with 8 bytes of header size"));
  }
  std::memcpy(&header_bytes, bytes.data(), sizeof(header_bytes));
  if (header_bytes > kMaxSafetensorsHeaderBytes || header_bytes > bytes.size() - sizeof(header_bytes)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), ": the header size is ", header_bytes, " bytes, accepted are at most ",
                     std::min<uint64_t>(kMaxSafetensorsHeaderBytes, bytes.size() - sizeof(header_bytes)),
                     " in this file"));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + sizeof(header_bytes),
                              header_bytes);
  absl::StatusOr<Json> header = ParseJson(text, absl::StrCat("the header of ", path.string()));
  if (!header.ok()) return header.status();
  HeaderReader reader(path.string(), bytes.subspan(sizeof(header_bytes) + header_bytes));
  absl::StatusOr<std::vector<TensorView>> tensors = reader.Read(*header);
  if (!tensors.ok()) return tensors.status();
  return std::make_unique<SafetensorsFile>(*std::move(file), *std::move(tensors));
}

}  // namespace kprune
