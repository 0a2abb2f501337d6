// Formats of a record a line: JSONL and plain text.
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/data/record_files.h"
#include "engine/data/text_buffer.h"
#include "engine/formats/json.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Lines that are not blank.
class LineRecords : public RecordSource {
 public:
  LineRecords(TextBuffer buffer, int64_t most_line_bytes) : lines_(std::move(buffer), most_line_bytes) {}

  absl::StatusOr<bool> Next() override {
    while (true) {
      absl::StatusOr<bool> more = lines_.Next();
      if (!more.ok() || !*more || !lines_.is_blank()) return more;
    }
  }

  Record Current() const override {
    return {lines_.number(), std::string(lines_.text()),
            CheckRecordSize("line", lines_.bytes(), lines_.most_bytes())};
  }

 private:
  LineReader lines_;
};

class JsonlRecords : public LineRecords {
 public:
  using LineRecords::LineRecords;
  absl::StatusOr<Json> Fields(const Record& record) const override {
    return ParseJson(record.text, "the line");
  }
};

class PlainTextRecords : public LineRecords {
 public:
  using LineRecords::LineRecords;
  absl::StatusOr<Json> Fields(const Record& record) const override {
    if (absl::Status status = CheckUtf8(record.text, "the line"); !status.ok()) return status;
    return Json{{"text", record.text}};
  }
};

template <typename Records>
OpenedRecords Open(const std::filesystem::path& path, int64_t most_line_bytes) {
  absl::StatusOr<TextBuffer> buffer = TextBuffer::Open(path);
  if (!buffer.ok()) return buffer.status();
  return std::make_unique<Records>(*std::move(buffer), most_line_bytes);
}

}  // namespace

OpenedRecords OpenJsonl(const std::filesystem::path& path, int64_t most_line_bytes) {
  return Open<JsonlRecords>(path, most_line_bytes);
}

OpenedRecords OpenPlainText(const std::filesystem::path& path) {
  return Open<PlainTextRecords>(path, kMaxLineBytes);
}

}  // namespace kprune
