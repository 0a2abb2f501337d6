#include "engine/formats/json_fields.h"

#include "absl/strings/str_cat.h"
#include "engine/formats/quoted.h"

namespace kprune {

JsonFields::JsonFields(const nlohmann::json& object, std::string_view what) : object_(object), what_(what) {
  if (!object.is_object()) {
    status_ = absl::InvalidArgumentError(absl::StrCat(what_, " is ", Described(object), ", not an object"));
  }
}

const nlohmann::json* JsonFields::Find(std::string_view key) const {
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const nlohmann::json* JsonFields::Require(std::string_view key) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) Refuse(key, "is missing");
  return value;
}

bool JsonFields::Bool(std::string_view key, bool fallback) { return OptionalBool(key).value_or(fallback); }

std::optional<bool> JsonFields::OptionalBool(std::string_view key) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  Refuse(key, absl::StrCat("is ", Described(*value), ", accepted are true and false"));
  return std::nullopt;
}

std::string JsonFields::String(std::string_view key, std::string_view fallback) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return std::string(fallback);
  if (value->is_string()) return value->get<std::string>();
  Refuse(key, absl::StrCat("is ", Described(*value), ", accepted is a string"));
  return std::string(fallback);
}

int64_t JsonFields::Int(std::string_view key, int64_t fallback, int64_t least, int64_t most) {
  const nlohmann::json* value = Find(key);
  if (value == nullptr) return fallback;
  const bool fits =
      value->is_number_integer() &&
      !(value->is_number_unsigned() && value->get<uint64_t>() > static_cast<uint64_t>(INT64_MAX));
  if (fits && value->get<int64_t>() >= least && value->get<int64_t>() <= most) return value->get<int64_t>();
  Refuse(key,
         absl::StrCat("is ", Described(*value), ", accepted is a whole number from ", least, " to ", most));
  return fallback;
}

void JsonFields::Refuse(std::string_view key, std::string_view problem) {
  if (status_.ok()) {
    status_ = absl::InvalidArgumentError(absl::StrCat(Name(key), " ", std::string(problem)));
  }
}

std::string JsonFields::Name(std::string_view key) const {
  return absl::StrCat(what_, ".", std::string(key));
}

std::string Described(const nlohmann::json& value) {
  if (value.is_string()) return Quoted(value.get_ref<const std::string&>());
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array";
  return value.dump();
}

}  // namespace kprune
