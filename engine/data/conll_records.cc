// CoNLL: a word a line with its columns, and a blank line between sentences.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/data/record_files.h"
#include "engine/data/text_buffer.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Lines that are looked at to tell columns from sentences.
constexpr int kLinesToTell = 200;

bool BeginsDocument(std::string_view line) {
  constexpr std::string_view kMark = "-DOCSTART-";
  return line.substr(0, kMark.size()) == kMark;
}

// By tabs where there are any, else by spaces.
std::vector<std::string> ColumnsOf(absl::string_view line) {
  if (absl::StrContains(line, "\t")) return absl::StrSplit(line, '\t');
  return absl::StrSplit(line, ' ', absl::SkipEmpty());
}

class ConllRecords : public RecordSource {
 public:
  ConllRecords(std::filesystem::path path, TextBuffer buffer)
      : path_(std::move(path)), lines_(std::move(buffer)) {}

  absl::StatusOr<bool> Next() override {
    sentence_.clear();
    while (true) {
      absl::StatusOr<bool> more = lines_.Next();
      if (!more.ok()) return more.status();
      if (!*more || lines_.is_blank() || BeginsDocument(lines_.text())) {
        if (!sentence_.empty() || !*more) return !sentence_.empty();
        continue;
      }
      if (sentence_.empty()) number_ = lines_.number();
      if (static_cast<int64_t>(sentence_.size()) + lines_.bytes() > kMaxLineBytes) {
        return absl::InvalidArgumentError(absl::StrCat(PlaceOf(path_, "line", number_),
                                                       ": the sentence has more than ", kMaxLineBytes,
                                                       " bytes: a blank line ends a sentence"));
      }
      if (!sentence_.empty()) sentence_ += '\n';
      sentence_ += lines_.text();
    }
  }

  Record Current() const override { return {number_, sentence_}; }

  absl::StatusOr<Json> Fields(const Record& record) const override {
    if (absl::Status status = CheckUtf8(record.text, "the sentence"); !status.ok()) return status;
    Json words = Json::array(), tags = Json::array();
    size_t columns = 0;
    for (const absl::string_view line : absl::StrSplit(record.text, '\n')) {
      const std::vector<std::string> cells = ColumnsOf(line);
      if (columns == 0) columns = cells.size();
      if (cells.size() != columns) {
        return absl::InvalidArgumentError(absl::StrCat("the word ", Quoted(cells.front()), " has ",
                                                       cells.size(),
                                                       " columns, the first one of the sentence ", columns));
      }
      words.push_back(cells.front());
      if (columns > 1) tags.push_back(cells.back());
    }
    Json fields = {{"tokens", std::move(words)}};
    if (columns > 1) fields["tags"] = std::move(tags);
    return fields;
  }

 private:
  const std::filesystem::path path_;
  LineReader lines_;
  std::string sentence_;
  int64_t number_ = 0;
};

bool IsTag(const std::string& text, const SampleLimits& limits) {
  int number = 0;
  if (text == "O" || limits.label2id.contains(text) || absl::SimpleAtoi(text, &number)) return true;
  constexpr std::string_view kPrefixes = "BIOESLU";
  return text.size() > 2 && text[1] == '-' && kPrefixes.find(text[0]) != std::string_view::npos;
}

}  // namespace

OpenedRecords OpenConll(const std::filesystem::path& path) {
  absl::StatusOr<TextBuffer> buffer = TextBuffer::Open(path);
  if (!buffer.ok()) return buffer.status();
  return std::make_unique<ConllRecords>(path, *std::move(buffer));
}

absl::StatusOr<bool> HasTaggedColumns(const std::filesystem::path& path, const SampleLimits& limits) {
  absl::StatusOr<TextBuffer> buffer = TextBuffer::Open(path);
  if (!buffer.ok()) return buffer.status();
  LineReader lines(*std::move(buffer));
  size_t columns = 0;
  for (int i = 0; i < kLinesToTell; ++i) {
    absl::StatusOr<bool> more = lines.Next();
    if (!more.ok()) return more.status();
    if (!*more || (lines.is_blank() && columns > 0)) break;
    if (lines.is_blank() || BeginsDocument(lines.text())) continue;
    const std::string_view text = lines.text();
    const std::vector<std::string> cells = ColumnsOf({text.data(), text.size()});
    if (cells.size() < 2 || (columns > 0 && cells.size() != columns) || !IsTag(cells.back(), limits))
      return false;
    columns = cells.size();
  }
  return columns > 0;
}

}  // namespace kprune
