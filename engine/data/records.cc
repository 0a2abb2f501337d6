#include "engine/data/records.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/data/byte_stream.h"
#include "engine/data/picture_lines.h"
#include "engine/data/record_files.h"
#include "kprune/layout.h"

namespace kprune {

absl::StatusOr<std::unique_ptr<RecordSource>> OpenRecords(const std::filesystem::path& path,
                                                          const SampleLimits& limits) {
  const std::string extension = ExtensionOf(path);
  if (extension == ".jsonl" || extension == ".ndjson")
    return OpenJsonl(path, limits.images ? kMaxPictureLineBytes : kMaxLineBytes);
  if (limits.images) {
    return absl::InvalidArgumentError(absl::StrCat(
        path.string(), " cannot hold pictures, accepted are .jsonl (also .gz and .zst) and .safetensors"));
  }
  if (extension == ".csv" || extension == ".tsv") return OpenTable(path, limits);
  if (extension == ".json") return OpenJson(path);
  if (extension == ".conll") return OpenConll(path);
  if (extension == ".parquet" && CompressionOf(path).empty()) return OpenParquet(path);
  if (extension == ".txt") {
    const bool may_have_columns = limits.label_kind == LabelKind::kTokenClass;
    const absl::StatusOr<bool> has_columns = may_have_columns ? HasTaggedColumns(path, limits) : false;
    if (!has_columns.ok()) return has_columns.status();
    return *has_columns ? OpenConll(path) : OpenPlainText(path);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      path.string(), " is of no format that is known by its name; data is one of ", DataEndings()));
}

std::string PlaceOf(const std::filesystem::path& path, const char* unit, int64_t number) {
  return absl::StrCat(path.string(), ", ", unit, " ", number);
}

absl::Status CheckRecordSize(const char* what, int64_t bytes, int64_t most) {
  if (bytes <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("the ", what, " has ", bytes, " bytes, at most ", most, " are accepted"));
}

absl::Status CheckUtf8(std::string_view text, std::string_view what) {
  size_t at = 0;
  while (at < text.size()) {
    const auto byte = [&](size_t ahead) {
      return at + ahead < text.size() ? static_cast<unsigned char>(text[at + ahead]) : 0u;
    };
    const unsigned lead = byte(0);
    const size_t length = lead < 0x80   ? 1
                          : lead < 0xC2 ? 0
                          : lead < 0xE0 ? 2
                          : lead < 0xF0 ? 3
                          : lead < 0xF5 ? 4
                                        : 0;
    bool sound = length > 0 && lead != 0;
    for (size_t i = 1; i < length; ++i) sound = sound && (byte(i) & 0xC0) == 0x80;
    // Overlong forms, surrogates and what is beyond U+10FFFF.
    if (lead == 0xE0) sound = sound && byte(1) >= 0xA0;
    if (lead == 0xED) sound = sound && byte(1) < 0xA0;
    if (lead == 0xF0) sound = sound && byte(1) >= 0x90;
    if (lead == 0xF4) sound = sound && byte(1) < 0x90;
    if (!sound) {
      return absl::InvalidArgumentError(absl::StrCat(std::string(what), " is not UTF-8 at byte ", at + 1,
                                                     " (", absl::Hex(lead, absl::kZeroPad2),
                                                     "): save the file as UTF-8"));
    }
    at += length;
  }
  return absl::OkStatus();
}

}  // namespace kprune
