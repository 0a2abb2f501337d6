#include "engine/formats/json.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/formats/file.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// Bounds the memory that a small hostile text can ask for; a large tokenizer.json has some hundred thousand
// values.
constexpr int64_t kMaxJsonValues = 4'000'000;

// Builds the document and stops at the first thing that nlohmann's own builder would let pass.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  Json TakeDocument() { return std::move(document_); }
  const std::string& error() const { return error_; }

  bool null() override { return Add(nullptr) != nullptr; }
  bool boolean(bool value) override { return Add(value) != nullptr; }
  bool number_integer(number_integer_t value) override { return Add(value) != nullptr; }
  bool number_unsigned(number_unsigned_t value) override { return Add(value) != nullptr; }
  bool number_float(number_float_t value, const string_t&) override { return Add(value) != nullptr; }
  bool string(string_t& value) override { return Add(std::move(value)) != nullptr; }
  bool binary(binary_t&) override { return Fail("binary values are not JSON"); }
  bool start_object(size_t) override { return Open(Json::object()); }
  bool start_array(size_t) override { return Open(Json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool key(string_t& value) override {
    if (open_.back()->contains(value)) return Fail(absl::StrCat("the key ", Quoted(value), " appears twice"));
    key_ = std::move(value);
    return true;
  }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ...; last read:
    // 'x'": the front is noise, and what was read may be any bytes.
    std::string_view text = error.what();
    if (const size_t colon = text.find(": "); colon != std::string_view::npos) text = text.substr(colon + 2);
    if (const size_t read = text.find("; last read"); read != std::string_view::npos)
      text = text.substr(0, read);
    const bool overflow = dynamic_cast<const nlohmann::detail::out_of_range*>(&error) != nullptr;
    return Fail(absl::StrCat(overflow ? "a number is too large" : std::string(text), " at byte ", position));
  }

 private:
  bool Fail(std::string error) {
    error_ = std::move(error);
    return false;
  }

  // Puts a value where the document continues; nullptr after an error.
  template <typename Value>
  Json* Add(Value&& value) {
    if (++values_ > kMaxJsonValues) {
      Fail(absl::StrCat("it has more than ", kMaxJsonValues, " values"));
      return nullptr;
    }
    if (open_.empty()) return &(document_ = Json(std::forward<Value>(value)));
    Json& parent = *open_.back();
    if (parent.is_object()) return &(parent[std::move(key_)] = Json(std::forward<Value>(value)));
    parent.push_back(Json(std::forward<Value>(value)));
    return &parent.back();
  }

  bool Open(Json container) {
    if (open_.size() >= kMaxJsonDepth) {
      return Fail(absl::StrCat("it is nested more than ", kMaxJsonDepth, " deep"));
    }
    Json* added = Add(std::move(container));
    if (added == nullptr) return false;
    open_.push_back(added);
    return true;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  Json document_;
  std::vector<Json*> open_;  // stable: a parent does not grow while its child is open
  std::string key_;
  std::string error_;
  int64_t values_ = 0;
};

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text, std::string_view what) {
  StrictBuilder builder;
  if (!Json::sax_parse(text, &builder)) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(what), " is not valid JSON: ", builder.error()));
  }
  return builder.TakeDocument();
}

absl::StatusOr<Json> ReadJsonFile(const std::filesystem::path& path, int64_t max_bytes) {
  absl::StatusOr<std::string> text = ReadFile(path, max_bytes);
  if (!text.ok()) return text.status();
  return ParseJson(*text, path.string());
}

}  // namespace kprune
