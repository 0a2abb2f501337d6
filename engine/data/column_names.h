// The names that data sets give to their columns, as a table. docs/data.md shows it. Constant.
#ifndef KPRUNE_ENGINE_DATA_COLUMN_NAMES_H_
#define KPRUNE_ENGINE_DATA_COLUMN_NAMES_H_

#include <string_view>
#include <vector>

#include "engine/data/samples.h"

namespace kprune {

// A name, or two that belong together: of a text and of its partner ("text_pair").
struct ColumnNames {
  std::string_view name;
  std::string_view partner = {};
};

// Names of one rank: a record that has two of them is ambiguous, one of a lower rank does not count beside.
using ColumnTier = std::vector<ColumnNames>;

// By falling rank. Names are in lower case, with _ for spaces and dashes.
const std::vector<ColumnTier>& KnownColumns(std::string_view role, LabelKind kind);

// What may stand before the number of a choice that has a column of its own: "ending" of "ending0".
const std::vector<std::string_view>& ChoiceStems();

struct ColumnRole {
  std::string_view name;
  bool needed = false;
};

// What samples of a kind are made of.
const std::vector<ColumnRole>& RolesOf(LabelKind kind);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_COLUMN_NAMES_H_
