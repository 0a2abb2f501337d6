#include "engine/tokenizers/regex.h"

#include <oniguruma.h>

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/formats/quoted.h"
#include "engine/tokenizers/unicode.h"
#include "engine/tokenizers/unicode_tables.h"

namespace kprune {
namespace {

const OnigUChar* Bytes(const char* text) { return reinterpret_cast<const OnigUChar*>(text); }

void InitialiseOnce() {
  static const int done = [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    return onig_initialize(encodings, 1);
  }();
  (void)done;
}

// New members of a category ("Lu") or of a group of them ("L"), as parts of a bracket.
std::string NewMembers(std::string_view category) {
  std::string members;
  for (const CategoryRange& range : kNewCategories) {
    if (std::string_view(range.category).substr(0, category.size()) == category)
      absl::StrAppendFormat(&members, "\\x{%x}-\\x{%x}", uint32_t{range.first}, uint32_t{range.last});
  }
  return members;
}

// \w: letters, marks, numbers; the superscripts and fractions of Latin-1 are new among them.
std::string NewWordMembers() {
  return absl::StrCat(NewMembers("L"), NewMembers("M"), NewMembers("N"),
                      "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}");
}

std::string Widened(std::string_view escape, bool negated, const std::string& members) {
  return absl::StrCat("[", negated ? "^" : "", std::string(escape), members, "]");
}

// The category of "\p{Lu}", "\p{^Lu}" or "\pL" at the beginning of `rest`.
struct Property {
  std::string_view text;  // all of it
  std::string_view category;
  bool negated = false;
};

std::optional<Property> ReadProperty(std::string_view rest) {
  if (rest.size() < 4 || (rest[1] != 'p' && rest[1] != 'P') || rest[2] != '{') return std::nullopt;
  const size_t end = rest.find('}');
  if (end == std::string_view::npos) return std::nullopt;
  Property property = {rest.substr(0, end + 1), rest.substr(3, end - 3), rest[1] == 'P'};
  if (!property.category.empty() && property.category[0] == '^') {
    property.category.remove_prefix(1);
    property.negated = !property.negated;
  }
  return property;
}

absl::Status RefusePart(std::string_view what, std::string_view part, std::string_view pattern) {
  return absl::UnimplementedError(absl::StrCat(std::string(what), " has ", std::string(part),
                                               " in the pattern ", Quoted(pattern),
                                               ", accepted are patterns without it"));
}

}  // namespace

absl::StatusOr<std::string> WithNewCharacters(std::string_view pattern, std::string_view what) {
  std::string result;
  for (size_t at = 0; at < pattern.size();) {
    const std::string_view rest = pattern.substr(at);
    if (rest.substr(0, 2) == "[:") return RefusePart(what, "a POSIX bracket", pattern);
    if (rest[0] != '\\' || rest.size() < 2) {
      result += rest[0];
      ++at;
      continue;
    }
    if (const std::optional<Property> property = ReadProperty(rest)) {
      if (property->category.size() > 2) {
        return RefusePart(what, absl::StrCat("the property ", Quoted(property->category)), pattern);
      }
      const std::string members = NewMembers(property->category);
      result +=
          Widened(absl::StrCat("\\p{", std::string(property->category), "}"), property->negated, members);
      at += property->text.size();
      continue;
    }
    const char kind = rest[1];
    if (kind == 'b' || kind == 'B' || kind == 'X' || kind == 'y' || kind == 'Y')
      return RefusePart(what, absl::StrCat("\\", std::string(1, kind)), pattern);
    if (kind == 'w' || kind == 'W') {
      result += Widened("\\w", kind == 'W', NewWordMembers());
    } else if (kind == 'd' || kind == 'D') {
      result += Widened("\\d", kind == 'D', NewMembers("Nd"));
    } else {
      result.append(rest.substr(0, 2));
    }
    at += 2;
  }
  return result;
}

void Regex::Free::operator()(re_pattern_buffer* regex) const { onig_free(regex); }

absl::StatusOr<Regex> Regex::Compile(std::string_view pattern, std::string_view what) {
  InitialiseOnce();
  absl::StatusOr<std::string> widened = WithNewCharacters(pattern, what);
  if (!widened.ok()) return widened.status();
  regex_t* compiled = nullptr;
  OnigErrorInfo error;
  const int code = onig_new(&compiled, Bytes(widened->data()), Bytes(widened->data() + widened->size()),
                            ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_ONIGURUMA, &error);
  if (code == ONIG_NORMAL) return Regex(compiled);
  return absl::InvalidArgumentError(absl::StrCat(std::string(what), " has the pattern ", Quoted(pattern),
                                                 ", which is no regular expression"));
}

void Regex::FindAll(std::string_view text, std::vector<MatchedPart>& parts) const {
  MatchCollector collector(text, parts);
  const std::unique_ptr<OnigRegion, void (*)(OnigRegion*)> region(
      onig_region_new(), [](OnigRegion* owned) { onig_region_free(owned, 1); });
  const OnigUChar* const end = Bytes(text.data() + text.size());
  std::optional<size_t> previous_end;
  for (size_t at = 0; at <= text.size();) {
    const int found = onig_search(regex_.get(), Bytes(text.data()), end, Bytes(text.data() + at), end,
                                  region.get(), ONIG_OPTION_NONE);
    if (found < 0) break;
    const auto match_begin = static_cast<size_t>(region->beg[0]),
               match_end = static_cast<size_t>(region->end[0]);
    // An empty match where the last one ended is none.
    if (match_begin == match_end && previous_end == match_end) {
      at += at < text.size() ? CharacterSize(text, at) : 1;
      continue;
    }
    previous_end = at = match_end;
    collector.Add(match_begin, match_end);
  }
  collector.Finish();
}

}  // namespace kprune
