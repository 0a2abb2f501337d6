#include "engine/data/columns.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/data/column_names.h"
#include "engine/formats/json_fields.h"
#include "engine/formats/quoted.h"

namespace kprune {
namespace {

using Json = nlohmann::json;

// "Class Index", "class-index" and "class_index" are one name.
std::string Normalized(std::string_view name) {
  std::string normalized =
      absl::AsciiStrToLower(absl::StripAsciiWhitespace(absl::string_view(name.data(), name.size())));
  std::replace_if(
      normalized.begin(), normalized.end(), [](char c) { return c == ' ' || c == '-'; }, '_');
  return normalized;
}

std::string NameItWith(std::string_view role) {
  return absl::StrCat("name it with --columns ", std::string(role), "=NAME");
}

// Gives the fields of one record their roles, each field at most one.
class RoleFinder {
 public:
  RoleFinder(Json record, const SampleLimits& limits) : record_(std::move(record)), limits_(limits) {
    for (const auto& [name, value] : record_.items()) {
      if (list_.size() < 200) absl::StrAppend(&list_, list_.empty() ? "" : ", ", Quoted(name));
      const std::string normalized = Normalized(name);
      if (normalized == name || !names_.contains(normalized)) names_[normalized] = name;
    }
    if (list_.empty()) list_ = "nothing";
  }

  absl::StatusOr<std::map<std::string, Column, std::less<>>> Find() {
    for (const auto& [role, name] : limits_.columns) {
      if (absl::Status status = TakeNamed(role, name); !status.ok()) return status;
    }
    for (const ColumnRole& role : RolesOf(limits_.label_kind)) {
      if (limits_.columns.contains(role.name) || columns_.contains(role.name)) continue;
      if (absl::Status status = TakeKnown(role.name); !status.ok()) return status;
    }
    if (absl::Status status = CheckNeeded(); !status.ok()) return status;
    return std::move(columns_);
  }

 private:
  bool Has(std::string_view normalized) const { return names_.contains(normalized); }

  void Take(std::string_view role, std::string_view normalized) {
    const auto found = names_.find(normalized);
    columns_[std::string(role)] = {found->second, std::move(record_[found->second])};
    names_.erase(found);
  }

  // As limits.columns says; "" means that the record has none.
  absl::Status TakeNamed(const std::string& role, const std::string& name) {
    if (name.empty()) return absl::OkStatus();
    const std::string normalized = Normalized(name);
    if (Has(normalized)) {
      if (record_.contains(name)) names_[normalized] = name;
      Take(role, normalized);
      return absl::OkStatus();
    }
    if (role == "choices" && TakeNumbered(normalized)) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("there is no column ", Quoted(name), ", which --columns ",
                                                   role, " names (found: ", list_, ")"));
  }

  // By the names of the highest rank that the record has.
  absl::Status TakeKnown(std::string_view role) {
    const bool pairs = !limits_.columns.contains("text_pair");
    for (const ColumnTier& tier : KnownColumns(role, limits_.label_kind)) {
      std::vector<ColumnNames> found;
      for (const ColumnNames& names : tier) {
        const bool complete = names.partner.empty() || (pairs && Has(names.partner));
        if (complete && Has(names.name)) found.push_back(names);
      }
      if (found.size() > 1) return RefuseAmbiguous(role, found);
      if (found.empty()) continue;
      Take(role, found[0].name);
      if (!found[0].partner.empty()) Take("text_pair", found[0].partner);
      return absl::OkStatus();
    }
    if (role == "choices") {
      for (const std::string_view stem : ChoiceStems()) {
        if (TakeNumbered(stem)) break;
      }
    }
    if (role == "label" && limits_.label_kind == LabelKind::kMultiLabel) TakeColumnsOfClasses();
    return absl::OkStatus();
  }

  absl::Status RefuseAmbiguous(std::string_view role, const std::vector<ColumnNames>& found) const {
    const auto quote = [&](std::string* out, const ColumnNames& names) {
      absl::StrAppend(out, Quoted(names_.find(names.name)->second));
      if (!names.partner.empty()) absl::StrAppend(out, " with ", Quoted(names_.find(names.partner)->second));
    };
    return absl::InvalidArgumentError(absl::StrCat("the ", std::string(role), " could be ",
                                                   absl::StrJoin(found, " or ", quote), ": ",
                                                   NameItWith(role)));
  }

  // Choices that have a column each: "ending0", "ending1", ...
  bool TakeNumbered(std::string_view stem) {
    const auto name_of = [&](int number) { return absl::StrCat(std::string(stem), number); };
    const int first = Has(name_of(0)) ? 0 : 1;
    if (!Has(name_of(first)) || !Has(name_of(first + 1))) return false;
    Json choices = Json::array();
    for (int number = first; Has(name_of(number)); ++number)
      choices.push_back(std::move(record_[names_.find(name_of(number))->second]));
    columns_["choices"] = {name_of(first), std::move(choices)};
    return true;
  }

  // Several labels that have a column each, called as the classes are.
  void TakeColumnsOfClasses() {
    std::map<int32_t, std::string> of_class;
    for (const auto& [label, id] : limits_.label2id) {
      const auto found = names_.find(Normalized(label));
      if (found != names_.end()) of_class[id] = found->second;
    }
    if (of_class.empty() || static_cast<int64_t>(of_class.size()) != limits_.num_labels) return;
    Json labels = Json::array();
    for (const auto& [id, name] : of_class) labels.push_back(record_[name]);
    columns_["label"] = {of_class.begin()->second, std::move(labels)};
  }

  absl::Status CheckNeeded() const {
    if (limits_.label_kind == LabelKind::kTokenClass && !columns_.contains("tokens") &&
        !columns_.contains("text")) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is neither \"tokens\", a list of words, nor \"text\" (found: ", list_,
                       "): ", NameItWith("tokens")));
    }
    for (const ColumnRole& role : RolesOf(limits_.label_kind)) {
      if (!role.needed) continue;
      const auto found = columns_.find(role.name);
      if (found == columns_.end()) {
        return absl::InvalidArgumentError(absl::StrCat("there is no \"", std::string(role.name),
                                                       "\" (found: ", list_, "): ", NameItWith(role.name)));
      }
      if (found->second.value.is_null())
        return absl::InvalidArgumentError(absl::StrCat(found->second.name, " is empty: remove the line"));
    }
    return absl::OkStatus();
  }

  Json record_;
  const SampleLimits& limits_;
  std::string list_;                                       // of the names, as the file has them
  std::map<std::string, std::string, std::less<>> names_;  // by normalized name, of fields without a role
  std::map<std::string, Column, std::less<>> columns_;     // by role
};

}  // namespace

absl::StatusOr<RecordFields> RecordFields::Of(Json record, const SampleLimits& limits) {
  if (!record.is_object())
    return absl::InvalidArgumentError(
        absl::StrCat("the line is ", Described(record), ", accepted is an object"));
  auto columns = RoleFinder(std::move(record), limits).Find();
  if (!columns.ok()) return columns.status();
  RecordFields fields;
  fields.columns_ = *std::move(columns);
  return fields;
}

const Column* RecordFields::Find(std::string_view role) const {
  const auto found = columns_.find(role);
  return found == columns_.end() || found->second.value.is_null() ? nullptr : &found->second;
}

bool IsKnownColumn(std::string_view name, LabelKind kind) {
  const std::string normalized = Normalized(name);
  for (const ColumnRole& role : RolesOf(kind)) {
    for (const ColumnTier& tier : KnownColumns(role.name, kind)) {
      for (const ColumnNames& names : tier) {
        if (names.name == normalized) return true;
      }
    }
  }
  return false;
}

absl::Status CheckColumns(const SampleLimits& limits) {
  const std::vector<ColumnRole>& roles = RolesOf(limits.label_kind);
  for (const auto& [role, name] : limits.columns) {
    if (std::any_of(roles.begin(), roles.end(),
                    [&, &role = role](const ColumnRole& r) { return r.name == role; }))
      continue;
    const std::string accepted = absl::StrJoin(roles, ", ", [](std::string* out, const ColumnRole& r) {
      absl::StrAppend(out, std::string(r.name));
    });
    return absl::InvalidArgumentError(absl::StrCat("--columns names ", Quoted(role),
                                                   ", of which the model's task makes nothing, accepted are ",
                                                   accepted));
  }
  return absl::OkStatus();
}

}  // namespace kprune
