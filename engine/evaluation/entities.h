// Entities of tagged words, as seqeval's default mode finds them.
#ifndef KPRUNE_ENGINE_EVALUATION_ENTITIES_H_
#define KPRUNE_ENGINE_EVALUATION_ENTITIES_H_

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace kprune {

// Words begin .. end of one sentence, both included.
struct Entity {
  std::string type;
  int64_t begin = 0;
  int64_t end = 0;

  auto operator<=>(const Entity&) const = default;
};

// Reads IOB1, IOB2, IOE and IOBES alike and forgives tags that break their rules: an entity may begin with
// "I-", and ends where the type changes. A tag is one character and, behind the first "-", the type. Source:
// get_entities of https://github.com/chakki-works/seqeval.
std::vector<Entity> EntitiesOf(absl::Span<const std::string> tags);

// Whether class names are such tags at all: one of them begins as "B-PER" or "I-PER" does.
bool AreEntityTags(absl::Span<const std::string> names);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_ENTITIES_H_
