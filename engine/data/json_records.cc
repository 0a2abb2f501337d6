// .json: an array of objects, an object with such an array as "data", SQuAD's articles, or JSON lines.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/data/record_files.h"
#include "engine/data/text_buffer.h"
#include "engine/formats/json.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Articles of SQuAD hold many records.
constexpr size_t kMaxItemBytes = size_t{64} << 20;

constexpr char kEnd = '\0';

// Cuts JSON into its values without parsing them. Errors say what was found.
class JsonCutter {
 public:
  explicit JsonCutter(TextBuffer buffer) : buffer_(std::move(buffer)) {}

  // The next character that is no space, which stays; kEnd at the end.
  absl::StatusOr<char> Peek() {
    while (true) {
      absl::StatusOr<bool> more = buffer_.Fill();
      if (!more.ok()) return more.status();
      if (!*more) return kEnd;
      const size_t at = buffer_.rest().find_first_not_of(" \t\r\n");
      if (at != std::string_view::npos) {
        buffer_.Consume(at);
        return buffer_.rest().front();
      }
      buffer_.Consume(buffer_.rest().size());
    }
  }

  // Takes the next character where it is `wanted`.
  absl::StatusOr<bool> Take(char wanted) {
    absl::StatusOr<char> next = Peek();
    if (!next.ok()) return next.status();
    if (*next != wanted || wanted == kEnd) return false;
    buffer_.Consume(1);
    return true;
  }

  // Whether nothing but spaces is left.
  absl::StatusOr<bool> AtEnd() {
    if (absl::StatusOr<char> next = Peek(); !next.ok()) return next.status();
    return buffer_.rest().empty();
  }

  // The text of one value as far as `most` bytes go, and how many it has. It may not be valid JSON, but its
  // brackets are closed.
  absl::StatusOr<int64_t> TakeValue(size_t most, std::string& value) {
    value.clear();
    if (absl::StatusOr<char> next = Peek(); !next.ok()) return next.status();
    int64_t bytes = 0;
    int depth = 0;
    bool in_string = false, escaped = false, ended = false;
    while (!ended) {
      absl::StatusOr<bool> more = buffer_.Fill();
      if (!more.ok()) return more.status();
      if (!*more) {
        if (depth > 0 || in_string || bytes == 0)
          return absl::InvalidArgumentError("the file ends in the middle");
        break;
      }
      const std::string_view rest = buffer_.rest();
      size_t at = 0;
      for (; at < rest.size() && !ended; ++at) {
        const char c = rest[at];
        if (in_string) {
          in_string = escaped || c != '"';
          escaped = c == '\\' && !escaped;
          ended = !in_string && depth == 0;
        } else if (c == '"') {
          in_string = true;
        } else if (c == '{' || c == '[') {
          ++depth;
        } else if (c == '}' || c == ']') {
          if (depth == 0) break;
          ended = --depth == 0;
        } else if (depth == 0 && (c == ',' || c == ':' || c == ' ' || c == '\n' || c == '\r' || c == '\t')) {
          break;
        }
      }
      value.append(rest.substr(0, std::min(at, most - std::min(most, value.size()))));
      bytes += static_cast<int64_t>(at);
      ended = ended || at < rest.size();
      buffer_.Consume(at);
    }
    if (bytes == 0) return absl::InvalidArgumentError("a value is missing");
    return bytes;
  }

 private:
  TextBuffer buffer_;
};

// The list of that name; null where there is none.
const Json& ListAt(const Json& object, const char* key) {
  static const Json kNone;
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found != object.end() && found->is_array() ? *found : kNone;
}

// The questions of an article of SQuAD, each with its context.
std::vector<std::string> QuestionsOf(const Json& article) {
  std::vector<std::string> questions;
  for (const Json& paragraph : ListAt(article, "paragraphs")) {
    for (const Json& asked : ListAt(paragraph, "qas")) {
      Json question = asked.is_object() ? asked : Json::object();
      question["context"] = paragraph.value("context", Json());
      if (question.value("is_impossible", Json()) == true) question["answers"] = Json::array();
      questions.push_back(question.dump(-1, ' ', false, Json::error_handler_t::replace));
    }
  }
  return questions;
}

class JsonRecords : public RecordSource {
 public:
  JsonRecords(std::filesystem::path path, TextBuffer buffer)
      : path_(std::move(path)), cutter_(std::move(buffer)) {}

  // To the array.
  absl::Status Begin() {
    absl::StatusOr<bool> is_array = cutter_.Take('[');
    if (!is_array.ok() || *is_array) return is_array.status();
    const absl::StatusOr<bool> found = FindData();
    if (!found.ok()) return Refuse(found.status());
    if (*found) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat(path_.string(),
                     " is no list of records: accepted is an array of objects, an object "
                     "that has one as \"data\", and an object a line"));
  }

  absl::StatusOr<bool> Next() override {
    while (questions_.empty()) {
      absl::StatusOr<bool> more = NextItem();
      if (!more.ok()) return Refuse(more.status());
      if (!*more) return false;
      if (item_.find("\"paragraphs\"") == std::string::npos) {
        ++number_;
        return true;
      }
      absl::StatusOr<Json> article = ParseJson(item_, "the article");
      if (!article.ok()) return Refuse(article.status());
      if (!ListAt(*article, "paragraphs").is_array()) {
        ++number_;
        return true;
      }
      questions_ = QuestionsOf(*article);
      std::reverse(questions_.begin(), questions_.end());
    }
    item_ = std::move(questions_.back());
    questions_.pop_back();
    bytes_ = static_cast<int64_t>(item_.size());
    ++number_;
    return true;
  }

  Record Current() const override {
    return {number_, item_.substr(0, static_cast<size_t>(kMaxLineBytes)), CheckRecordSize("item", bytes_),
            "item"};
  }

  absl::StatusOr<Json> Fields(const Record& record) const override {
    return ParseJson(record.text, "the item");
  }

 private:
  absl::Status Refuse(const absl::Status& problem) const {
    return absl::Status(problem.code(),
                        absl::StrCat(PlaceOf(path_, "item", number_ + 1), ": ", problem.message()));
  }

  // Enters the array that an object has as "data".
  absl::StatusOr<bool> FindData() {
    absl::StatusOr<bool> taken = cutter_.Take('{');
    if (!taken.ok() || !*taken) return taken;
    std::string value;
    do {
      absl::StatusOr<int64_t> key = cutter_.TakeValue(kMaxItemBytes, value);
      if (!key.ok()) return key.status();
      taken = cutter_.Take(':');
      if (!taken.ok() || !*taken) return taken;
      if (value == "\"data\"") {
        in_object_ = true;
        return cutter_.Take('[');
      }
      if (key = cutter_.TakeValue(0, value); !key.ok()) return key.status();
      taken = cutter_.Take(',');
    } while (taken.ok() && *taken);
    return taken;
  }

  // Behind the array nothing comes, or what else the object has that holds it.
  absl::Status CheckEnd() {
    absl::StatusOr<bool> closed = in_object_ ? SkipFields() : true;
    if (!closed.ok()) return closed.status();
    absl::StatusOr<bool> ended = cutter_.AtEnd();
    if (!ended.ok()) return ended.status();
    if (*closed && *ended) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("the array ends before it", *closed ? ", but more follows: a file holds one array"
                                                         : ", but the object around it is not closed"));
  }

  // The fields behind "data"; false where they do not end with the object.
  absl::StatusOr<bool> SkipFields() {
    std::string ignored;
    absl::StatusOr<bool> more = cutter_.Take(',');
    for (; more.ok() && *more; more = cutter_.Take(',')) {
      if (absl::StatusOr<int64_t> key = cutter_.TakeValue(0, ignored); !key.ok()) return key.status();
      if (more = cutter_.Take(':'); !more.ok() || !*more) return more;
      if (absl::StatusOr<int64_t> value = cutter_.TakeValue(0, ignored); !value.ok()) return value.status();
    }
    return more.ok() ? cutter_.Take('}') : more;
  }

  absl::StatusOr<bool> NextItem() {
    absl::StatusOr<bool> ended = cutter_.Take(']');
    if (!ended.ok()) return ended.status();
    if (*ended) {
      if (absl::Status status = CheckEnd(); !status.ok()) return status;
      return false;
    }
    if (begun_) {
      absl::StatusOr<bool> comma = cutter_.Take(',');
      if (!comma.ok()) return comma.status();
      if (!*comma) return absl::InvalidArgumentError("there is neither , nor ] behind an item");
    }
    begun_ = true;
    absl::StatusOr<int64_t> bytes = cutter_.TakeValue(kMaxItemBytes, item_);
    if (!bytes.ok()) return bytes.status();
    bytes_ = *bytes;
    return true;
  }

  const std::filesystem::path path_;
  JsonCutter cutter_;
  bool in_object_ = false, begun_ = false;
  std::string item_;
  int64_t bytes_ = 0, number_ = 0;
  std::vector<std::string> questions_;  // of an article, the next one last
};

// Whether the first line is a whole object, and none that holds the data.
absl::StatusOr<bool> HasObjectALine(const std::filesystem::path& path) {
  absl::StatusOr<TextBuffer> buffer = TextBuffer::Open(path);
  if (!buffer.ok()) return buffer.status();
  LineReader lines(*std::move(buffer));
  absl::StatusOr<bool> more = lines.Next();
  if (!more.ok() || !*more || lines.is_too_long()) return more.ok() ? absl::StatusOr<bool>(false) : more;
  const absl::StatusOr<Json> line = ParseJson(lines.text(), "the line");
  return line.ok() && line->is_object() && !ListAt(*line, "data").is_array();
}

}  // namespace

OpenedRecords OpenJson(const std::filesystem::path& path) {
  const absl::StatusOr<bool> has_lines = HasObjectALine(path);
  if (!has_lines.ok()) return has_lines.status();
  if (*has_lines) return OpenJsonl(path);
  absl::StatusOr<TextBuffer> buffer = TextBuffer::Open(path);
  if (!buffer.ok()) return buffer.status();
  auto records = std::make_unique<JsonRecords>(path, *std::move(buffer));
  if (absl::Status status = records->Begin(); !status.ok()) return status;
  return records;
}

}  // namespace kprune
