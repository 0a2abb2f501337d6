// Numbers as people read them. Pure functions.
#ifndef KPRUNE_CLIENT_QUANTITIES_H_
#define KPRUNE_CLIENT_QUANTITIES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace kprune::client {

// Three significant digits with a decimal prefix: 1.23 G, 456 M, 12.
std::string FormatCount(double value);

// Bytes with a binary prefix: 512 B, 1.5 KiB, 87.3 MiB.
std::string FormatBytes(double bytes);

// The bytes that a text names: a number, then nothing, B, KiB, MiB, GiB, TiB, KB, MB, GB or TB, written so
// ("4294967296", "4GiB", "1.5GB"; a blank may stand between). Nothing for any other text, and from 2^63 bytes
// on.
std::optional<int64_t> ParseBytes(std::string_view text);

// The milliseconds above 0 that a text names, a number and ms or s: "5ms", "0.2s". Nothing for any other
// text.
std::optional<double> ParseMilliseconds(std::string_view text);

// A duration: 0.42 s, 12.3 s, 4 min 05 s, 2 h 03 min.
std::string FormatSeconds(double seconds);

// A share as a percentage with one decimal: 49.9 %.
std::string FormatPercent(double share);

// A plain number without needless digits: 0.901, 2, 1.5e-05.
std::string FormatNumber(double value);

// `share` (0 to 1) of `width` cells filled, as "[######....]" without the brackets.
std::string FormatBar(double share, int width);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_QUANTITIES_H_
