#include "client/json_view.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/quantities.h"
#include "client/text_table.h"

namespace kprune::client {
namespace {

using nlohmann::json;

bool IsListOfObjects(const json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), [](const json& item) { return item.is_object(); });
}

std::string Table(const json& list) {
  std::vector<std::string> columns;
  for (const json& row : list) {
    for (const auto& [key, value] : row.items()) {
      if (std::find(columns.begin(), columns.end(), key) == columns.end()) columns.push_back(key);
    }
  }
  TextTable table(columns);
  for (const json& row : list) {
    std::vector<std::string> cells;
    for (const std::string& column : columns) cells.push_back(InlineText(At(row, {column.c_str()})));
    table.AddRow(cells);
  }
  return table.ToString();
}

}  // namespace

const json& At(const json& object, std::initializer_list<const char*> keys) {
  static const json* const null = new json();
  const json* value = &object;
  for (const char* key : keys) {
    if (!value->is_object()) return *null;
    const auto found = value->find(key);
    if (found == value->end()) return *null;
    value = &*found;
  }
  return *value;
}

double NumberAt(const json& object, std::initializer_list<const char*> keys, double fallback) {
  const json& value = At(object, keys);
  return value.is_number() ? value.get<double>() : fallback;
}

bool HasNumber(const json& object, std::initializer_list<const char*> keys) {
  return At(object, keys).is_number();
}

std::string InlineText(const json& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_integer()) return value.dump();
  if (value.is_number()) return FormatNumber(value.get<double>());
  std::vector<std::string> parts;
  for (const auto& [key, item] : value.items()) {
    if (item.is_null()) continue;
    parts.push_back(value.is_array() ? InlineText(item) : absl::StrCat(key, " ", InlineText(item)));
  }
  return absl::StrJoin(parts, ", ");
}

std::string GenericText(const json& object) {
  if (!object.is_object()) return absl::StrCat(InlineText(object), "\n");
  TextTable table;
  std::string below;
  for (const auto& [key, value] : object.items()) {
    if (value.is_null()) continue;
    if (IsListOfObjects(value)) {
      absl::StrAppend(&below, "\n", key, "\n", Table(value));
    } else {
      table.AddRow({key, InlineText(value)});
    }
  }
  return absl::StrCat(table.ToString(), below);
}

}  // namespace kprune::client
