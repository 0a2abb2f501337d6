// Multiples that the widths of a pruned model are rounded to, so that kernels like them.
#ifndef KPRUNE_ROUNDING_H_
#define KPRUNE_ROUNDING_H_

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kprune {

struct Rounding {
  int64_t heads = 1;    // of every layer
  int64_t neurons = 1;  // the same

  bool operator==(const Rounding&) const = default;
};

// Largest multiple of either kind.
inline constexpr int64_t kMostRounding = 1024;

// "heads:2,neurons:16"
inline std::string ToString(const Rounding& rounding) {
  return "heads:" + std::to_string(rounding.heads) + ",neurons:" + std::to_string(rounding.neurons);
}

// The same read; either part may be left out, and is 1 then. Nothing where it is anything else, or a multiple
// is outside 1 to kMostRounding. Pure.
inline std::optional<Rounding> ParseRounding(std::string_view text) {
  Rounding rounding{0, 0};
  while (true) {
    const std::string_view part = text.substr(0, text.find(','));
    const std::string_view name = part.substr(0, part.find(':'));
    int64_t* const multiple = name == "heads"     ? &rounding.heads
                              : name == "neurons" ? &rounding.neurons
                                                  : nullptr;
    if (multiple == nullptr || *multiple != 0 || name.size() == part.size()) return std::nullopt;
    const char* const end = part.data() + part.size();
    const auto [last, error] = std::from_chars(part.data() + name.size() + 1, end, *multiple);
    if (error != std::errc() || last != end || *multiple < 1 || *multiple > kMostRounding)
      return std::nullopt;
    if (part.size() == text.size()) break;
    text.remove_prefix(part.size() + 1);
  }
  if (rounding.heads == 0) rounding.heads = 1;
  if (rounding.neurons == 0) rounding.neurons = 1;
  return rounding;
}

}  // namespace kprune

#endif  // KPRUNE_ROUNDING_H_
