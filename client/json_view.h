// JSON of the worker's results as text. Absent fields are left out; nothing here fails on unexpected shapes.
#ifndef KPRUNE_CLIENT_JSON_VIEW_H_
#define KPRUNE_CLIENT_JSON_VIEW_H_

#include <string>

#include "nlohmann/json.hpp"

namespace kprune::client {

// A scalar as text: numbers with four significant digits, "yes" and "no"; "" for null; objects and arrays as
// "name value, name value".
std::string InlineText(const nlohmann::json& value);

// One "name  value" line for each field of an object, nested objects indented; a list of objects as a table.
std::string GenericText(const nlohmann::json& object);

// The value at a path of keys, or null.
const nlohmann::json& At(const nlohmann::json& object, std::initializer_list<const char*> keys);

// The number at a path of keys, or `fallback`.
double NumberAt(const nlohmann::json& object, std::initializer_list<const char*> keys, double fallback);

// Whether there is a number at a path of keys.
bool HasNumber(const nlohmann::json& object, std::initializer_list<const char*> keys);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_JSON_VIEW_H_
