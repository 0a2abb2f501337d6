#include "engine/evaluation/entities.h"

#include <algorithm>
#include <string_view>

namespace kprune {
namespace {

struct Tag {
  char letter = 'O';
  std::string_view type = "_";
};

Tag TagOf(std::string_view name) {
  if (name.empty()) return {};
  std::string_view type = name.substr(1);
  if (const size_t dash = type.find('-'); dash != std::string_view::npos) type = type.substr(dash + 1);
  return {name[0], type.empty() ? "_" : type};
}

bool IsOutside(const Tag& tag) { return tag.letter == 'O' || tag.letter == '.'; }

bool EndsBefore(const Tag& previous, const Tag& tag) {
  const char before = previous.letter, now = tag.letter;
  if (before == 'E' || before == 'S') return true;
  if ((before == 'B' || before == 'I') && (now == 'B' || now == 'S' || now == 'O')) return true;
  return !IsOutside(previous) && previous.type != tag.type;
}

bool BeginsAt(const Tag& previous, const Tag& tag) {
  const char before = previous.letter, now = tag.letter;
  if (now == 'B' || now == 'S') return true;
  if ((before == 'E' || before == 'S' || before == 'O') && (now == 'E' || now == 'I')) return true;
  return !IsOutside(tag) && previous.type != tag.type;
}

}  // namespace

std::vector<Entity> EntitiesOf(absl::Span<const std::string> tags) {
  std::vector<Entity> entities;
  Tag previous{'O', ""};
  int64_t begin = 0;
  for (int64_t i = 0; i <= static_cast<int64_t>(tags.size()); ++i) {
    const Tag tag = i < static_cast<int64_t>(tags.size()) ? TagOf(tags[i]) : Tag();
    if (EndsBefore(previous, tag)) entities.push_back({std::string(previous.type), begin, i - 1});
    if (BeginsAt(previous, tag)) begin = i;
    previous = tag;
  }
  return entities;
}

bool AreEntityTags(absl::Span<const std::string> names) {
  return std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return name.size() > 2 && (name[0] == 'B' || name[0] == 'I') && name[1] == '-';
  });
}

}  // namespace kprune
