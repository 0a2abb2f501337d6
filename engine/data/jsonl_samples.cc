#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/data/parallel_for.h"
#include "engine/data/sample_files.h"
#include "engine/data/unicode.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Lines read ahead of the samples made of them: enough for all threads, little memory.
constexpr size_t kBatchLines = 4096;

struct Line {
  std::string_view text;
  int64_t number = 0;  // from 1
};

// Walks over the lines that are not blank.
class LineReader {
 public:
  LineReader(std::string_view text, const std::filesystem::path& path) : rest_(text), path_(path) {}

  // Up to `count` further lines; none at the end. INVALID_ARGUMENT at a line over kMaxLineBytes, once all
  // before it are read.
  absl::StatusOr<std::vector<Line>> Next(size_t count) {
    std::vector<Line> lines;
    while (lines.size() < count && !rest_.empty()) {
      const size_t end = std::min(rest_.find('\n'), rest_.size());
      const std::string_view line = rest_.substr(0, end);
      if (end > static_cast<size_t>(kMaxLineBytes)) {
        if (!lines.empty()) break;
        return absl::InvalidArgumentError(absl::StrCat(PlaceOf(path_, number_ + 1), ": the line has ", end,
                                                       " bytes, at most ", kMaxLineBytes, " are accepted"));
      }
      ++number_;
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines.push_back({line, number_});
    }
    return lines;
  }

 private:
  std::string_view rest_;
  int64_t number_ = 0;
  const std::filesystem::path& path_;
};

bool IsBlank(const std::string& text) {
  const std::u32string decoded = DecodeUtf8(text);
  return std::all_of(decoded.begin(), decoded.end(), IsWhitespace);
}

// Makes samples of lines. Thread-safe: immutable.
class LineParser {
 public:
  LineParser(const std::filesystem::path& path, int32_t file, const Tokenizer& tokenizer,
             const SampleLimits& limits)
      : path_(path), file_(file), tokenizer_(tokenizer), limits_(limits) {}

  absl::StatusOr<Sample> Parse(const Line& line) const {
    const std::string place = PlaceOf(path_, line.number);
    absl::StatusOr<Json> json = ParseJson(line.text, place);
    if (!json.ok()) return json.status();
    absl::StatusOr<Sample> sample = Read(*json);
    if (!sample.ok()) {
      return absl::Status(sample.status().code(), absl::StrCat(place, ": ", sample.status().message()));
    }
    sample->file = file_;
    sample->line = line.number;
    return sample;
  }

 private:
  static absl::Status Refuse(std::string_view problem) {
    return absl::InvalidArgumentError(std::string(problem));
  }

  absl::StatusOr<Sample> Read(const Json& json) const {
    if (!json.is_object())
      return Refuse(absl::StrCat("the line is ", Described(json), ", accepted is an object"));
    absl::StatusOr<const std::string*> text = Text(json, "text");
    if (!text.ok()) return text.status();
    absl::StatusOr<const std::string*> pair = Text(json, "text_pair");
    if (!pair.ok()) return pair.status();
    if (*text == nullptr) return Refuse(absl::StrCat("there is no \"text\" (found: ", Keys(json), ")"));
    absl::StatusOr<Sample> sample = Encode(**text, *pair);
    if (!sample.ok()) return sample;
    const auto label = json.find("label");
    if (label != json.end() && !label->is_null()) {
      absl::StatusOr<std::vector<double>> labels = ReadLabel(*label, limits_);
      if (!labels.ok()) return labels.status();
      sample->labels = *std::move(labels);
    }
    return sample;
  }

  // nullptr where it is absent or null.
  static absl::StatusOr<const std::string*> Text(const Json& json, const char* key) {
    const auto found = json.find(key);
    if (found == json.end() || found->is_null()) return nullptr;
    if (!found->is_string())
      return Refuse(absl::StrCat(key, " is ", Described(*found), ", accepted is a string"));
    const std::string& text = found->get_ref<const std::string&>();
    if (IsBlank(text)) return Refuse(absl::StrCat(key, " is empty: remove the line"));
    return &text;
  }

  static std::string Keys(const Json& json) {
    std::string keys;
    for (const auto& [key, value] : json.items()) {
      if (keys.size() < 200) absl::StrAppend(&keys, keys.empty() ? "" : ", ", Quoted(key));
    }
    return keys.empty() ? "nothing" : keys;
  }

  absl::StatusOr<Sample> Encode(const std::string& text, const std::string* pair) const {
    const int longest = LongestSequence(limits_), special = tokenizer_.special_tokens(pair != nullptr);
    if (longest <= special) {
      return Refuse(absl::StrCat("max_length is ", longest, ", but ", special,
                                 " special tokens leave no room for the text"));
    }
    std::optional<std::string_view> second;
    if (pair != nullptr) second = *pair;
    Encoding encoding = tokenizer_.Encode(text, second, longest);
    if (encoding.content_tokens == 0) return Refuse("the text has no token: remove the line");
    Sample sample;
    sample.input_ids = std::move(encoding.input_ids);
    sample.token_type_ids = std::move(encoding.token_type_ids);
    if (absl::Status status = CheckTokens(limits_, sample); !status.ok()) return status;
    return sample;
  }

  const std::filesystem::path& path_;
  const int32_t file_;
  const Tokenizer& tokenizer_;
  const SampleLimits& limits_;
};

}  // namespace

absl::Status ReadJsonlSamples(const std::filesystem::path& path, int32_t file, const Tokenizer& tokenizer,
                              const SampleLimits& limits, SampleCollector& collector) {
  absl::StatusOr<std::unique_ptr<MappedFile>> mapped = MappedFile::Open(path);
  if (!mapped.ok()) return mapped.status();
  const absl::Span<const std::byte> bytes = (*mapped)->bytes();
  LineReader reader(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path);
  const LineParser parser(path, file, tokenizer, limits);
  while (true) {
    absl::StatusOr<std::vector<Line>> lines = reader.Next(kBatchLines);
    if (!lines.ok()) return lines.status();
    if (lines->empty()) return absl::OkStatus();
    std::vector<absl::StatusOr<Sample>> samples(lines->size());
    ParallelFor(static_cast<int64_t>(lines->size()), limits.threads,
                [&](int64_t i) { samples[i] = parser.Parse((*lines)[i]); });
    for (absl::StatusOr<Sample>& sample : samples) {
      if (!sample.ok()) return sample.status();
      if (absl::Status status = collector.Add(*std::move(sample)); !status.ok()) return status;
    }
  }
}

}  // namespace kprune
