// Formats whose first row names the columns: CSV and TSV.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/data/columns.h"
#include "engine/data/record_files.h"
#include "engine/data/text_buffer.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxColumns = 4096;

// Where a character of CSV stands: RFC 4180, and a quote within a field that is not quoted is text.
enum class Within { kBegin, kPlain, kQuotes, kClosed };

Within After(Within before, char c, char delimiter) {
  if (before == Within::kQuotes) return c == '"' ? Within::kClosed : Within::kQuotes;
  if (c == delimiter) return Within::kBegin;
  const bool quotes = c == '"' && before != Within::kPlain;  // opens them, or is the second of ""
  return quotes ? Within::kQuotes : Within::kPlain;
}

absl::StatusOr<std::vector<std::string>> SplitCsv(std::string_view row, char delimiter) {
  std::vector<std::string> fields(1);
  Within within = Within::kBegin;
  for (const char c : row) {
    const Within next = After(within, c, delimiter);
    if (within == Within::kClosed && next == Within::kPlain) {
      return absl::InvalidArgumentError(
          absl::StrCat("field ", fields.size(), " goes on behind its closing quote (", Quoted(fields.back()),
                       "): write a quote within quotes twice"));
    }
    if (next == Within::kBegin) {
      fields.emplace_back();
    } else if (next != Within::kClosed && !(within == Within::kBegin && next == Within::kQuotes)) {
      fields.back() += c;
    }
    within = next;
  }
  if (within == Within::kQuotes)
    return absl::InvalidArgumentError(
        absl::StrCat("the quote that field ", fields.size(), " begins with is not closed"));
  return fields;
}

// A field of TSV without its quotes, where it is quoted well: quotes are text otherwise.
std::string Unquoted(std::string_view field) {
  if (field.size() < 2 || field.front() != '"' || field.back() != '"') return std::string(field);
  std::string text;
  for (size_t i = 1; i + 1 < field.size(); ++i) {
    if (field[i] == '"' && field[++i] != '"') return std::string(field);
    if (i + 1 == field.size()) return std::string(field);
    text += field[i];
  }
  return text;
}

std::vector<std::string> SplitTsv(std::string_view row) {
  std::vector<std::string> fields;
  while (true) {
    const size_t end = row.find('\t');
    fields.push_back(Unquoted(row.substr(0, end)));
    if (end == std::string_view::npos) return fields;
    row.remove_prefix(end + 1);
  }
}

// The one of the usual delimiters that a line has most of, outside of quotes.
char DelimiterOf(std::string_view line) {
  char best = ',';
  size_t most = 0;
  for (const char delimiter : {',', ';', '\t', '|'}) {
    size_t count = 0;
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') quoted = !quoted;
      if (c == delimiter && !quoted) ++count;
    }
    if (count > most) {
      most = count;
      best = delimiter;
    }
  }
  return best;
}

class TableRecords : public RecordSource {
 public:
  TableRecords(std::filesystem::path path, TextBuffer buffer)
      : path_(std::move(path)), is_csv_(ExtensionOf(path_) == ".csv"), lines_(std::move(buffer)) {}

  // Reads the first row.
  absl::Status Begin(const SampleLimits& limits) {
    absl::StatusOr<bool> more = NextLine();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    if (is_csv_) delimiter_ = DelimiterOf(lines_.text());
    if (absl::Status status = ReadRow(); !status.ok()) return status;
    absl::StatusOr<std::vector<std::string>> names = Split(row_);
    if (!names.ok()) return Refuse(names.status().message());
    if (names->size() > kMaxColumns)
      return Refuse(
          absl::StrCat("there are ", names->size(), " columns, at most ", kMaxColumns, " are accepted"));
    columns_ = *std::move(names);
    return NameColumns(limits);
  }

  absl::StatusOr<bool> Next() override {
    if (first_row_is_record_) {
      first_row_is_record_ = false;
      return true;
    }
    absl::StatusOr<bool> more = NextLine();
    if (!more.ok() || !*more) return more;
    if (absl::Status status = ReadRow(); !status.ok()) return status;
    return true;
  }

  Record Current() const override { return {number_, row_}; }

  absl::StatusOr<Json> Fields(const Record& record) const override {
    if (absl::Status status = CheckUtf8(record.text, "the row"); !status.ok()) return status;
    absl::StatusOr<std::vector<std::string>> fields = Split(record.text);
    if (!fields.ok()) return fields.status();
    if (fields->size() != columns_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the row has ", fields->size(), " fields, the first row ", columns_.size(),
                       is_csv_ ? absl::StrCat(": quote fields that hold '", std::string(1, delimiter_), "'")
                               : ": tabs and line ends within a field need .csv"));
    }
    Json object = Json::object();
    for (size_t i = 0; i < columns_.size(); ++i)
      object[columns_[i]] = (*fields)[i].empty() ? Json() : Json(std::move((*fields)[i]));
    return object;
  }

 private:
  absl::Status Refuse(absl::string_view problem) const {
    return absl::InvalidArgumentError(absl::StrCat(PlaceOf(path_, "line", number_), ": ", problem));
  }

  // To the next line that is not blank.
  absl::StatusOr<bool> NextLine() {
    while (true) {
      absl::StatusOr<bool> more = lines_.Next();
      if (!more.ok() || !*more || !lines_.is_blank()) return more;
    }
  }

  // The row that begins with the current line, with the lines that its quotes span.
  absl::Status ReadRow() {
    number_ = lines_.number();
    row_.clear();
    Within within = Within::kBegin;
    while (true) {
      if (static_cast<int64_t>(row_.size()) + lines_.bytes() > kMaxLineBytes) {
        return Refuse(absl::StrCat("the row has more than ", kMaxLineBytes, " bytes",
                                   is_csv_ ? ": is a quote not closed?" : ""));
      }
      row_ += lines_.text();
      if (!is_csv_) return absl::OkStatus();
      const bool may_quote = within == Within::kQuotes || lines_.text().find('"') != std::string_view::npos;
      if (!may_quote) return absl::OkStatus();
      for (const char c : lines_.text()) within = After(within, c, delimiter_);
      if (within != Within::kQuotes) return absl::OkStatus();
      absl::StatusOr<bool> more = lines_.Next();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();  // Split tells of the quote
      row_ += '\n';
    }
  }

  absl::StatusOr<std::vector<std::string>> Split(std::string_view row) const {
    if (is_csv_) return SplitCsv(row, delimiter_);
    return SplitTsv(row);
  }

  // Takes the first row for names, or for a record whose columns are numbered.
  absl::Status NameColumns(const SampleLimits& limits) {
    const auto is_number = [](const auto& role) {
      return !role.second.empty() && role.second.find_first_not_of("0123456789") == std::string::npos;
    };
    const bool numbered =
        !limits.columns.empty() && std::all_of(limits.columns.begin(), limits.columns.end(), is_number);
    const auto is_name = [&](const std::string& cell) {
      const bool named = std::any_of(limits.columns.begin(), limits.columns.end(),
                                     [&](const auto& role) { return role.second == cell; });
      return !cell.empty() && (IsKnownColumn(cell, limits.label_kind) || (named && !numbered));
    };
    const bool has_names = std::any_of(columns_.begin(), columns_.end(), is_name);
    if (!has_names && !numbered) {
      std::string cells;
      for (const std::string& cell : columns_) {
        if (cells.size() < 200) absl::StrAppend(&cells, cells.empty() ? "" : ", ", Quoted(cell));
      }
      return Refuse(absl::StrCat("the first row has no column name that is known (found: ", cells,
                                 "): name columns with --columns text=NAME, or by their numbers "
                                 "(--columns text=1) where the file has no names"));
    }
    first_row_is_record_ = !has_names;
    std::set<std::string> names;
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (!has_names || columns_[i].empty()) columns_[i] = absl::StrCat(i + 1);
      if (!names.insert(columns_[i]).second)
        return Refuse(absl::StrCat("the column ", Quoted(columns_[i]), " is there twice"));
    }
    return absl::OkStatus();
  }

  const std::filesystem::path path_;
  const bool is_csv_;
  LineReader lines_;
  char delimiter_ = '\t';
  std::vector<std::string> columns_;  // constant after Begin
  std::string row_;
  int64_t number_ = 1;
  bool first_row_is_record_ = false;
};

}  // namespace

OpenedRecords OpenTable(const std::filesystem::path& path, const SampleLimits& limits) {
  absl::StatusOr<TextBuffer> buffer = TextBuffer::Open(path);
  if (!buffer.ok()) return buffer.status();
  auto records = std::make_unique<TableRecords>(path, *std::move(buffer));
  if (absl::Status status = records->Begin(limits); !status.ok()) return status;
  return records;
}

}  // namespace kprune
