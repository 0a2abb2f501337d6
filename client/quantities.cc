#include "client/quantities.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace kprune::client {
namespace {

// `value` in [0, 1000) or so with three significant digits.
std::string ThreeDigits(double value) {
  if (value >= 99.95) return absl::StrFormat("%.0f", value);
  if (value >= 9.995) return absl::StrFormat("%.1f", value);
  return absl::StrFormat("%.2f", value);
}

}  // namespace

std::string FormatCount(double value) {
  if (std::abs(value) < 1000) return FormatNumber(value);
  const char* prefixes[] = {"k", "M", "G", "T", "P"};
  double scaled = value / 1000;
  int prefix = 0;
  while (std::abs(scaled) >= 999.5 && prefix < 4) {
    scaled /= 1000;
    ++prefix;
  }
  return absl::StrCat(ThreeDigits(scaled), " ", prefixes[prefix]);
}

std::string FormatBytes(double bytes) {
  if (bytes < 1024) return absl::StrFormat("%.0f B", bytes);
  const char* prefixes[] = {"KiB", "MiB", "GiB", "TiB"};
  double scaled = bytes / 1024;
  int prefix = 0;
  while (scaled >= 1023.5 && prefix < 3) {
    scaled /= 1024;
    ++prefix;
  }
  return absl::StrFormat("%.1f %s", scaled, prefixes[prefix]);
}

std::optional<int64_t> ParseBytes(std::string_view text) {
  static constexpr struct {
    std::string_view name;
    int64_t bytes;
  } kUnits[] = {{"", 1},
                {"B", 1},
                {"KiB", int64_t{1} << 10},
                {"MiB", int64_t{1} << 20},
                {"GiB", int64_t{1} << 30},
                {"TiB", int64_t{1} << 40},
                {"KB", 1'000},
                {"MB", 1'000'000},
                {"GB", 1'000'000'000},
                {"TB", 1'000'000'000'000}};
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string number(text.substr(0, digits));
  std::string_view unit = text.substr(digits);
  if (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  for (const auto& [name, bytes] : kUnits) {
    if (unit != name) continue;
    int64_t whole = 0;
    if (absl::SimpleAtoi(number, &whole)) {
      if (whole > std::numeric_limits<int64_t>::max() / bytes) return std::nullopt;
      return whole * bytes;
    }
    double scaled = 0;
    if (!absl::SimpleAtod(number, &scaled)) return std::nullopt;
    scaled *= static_cast<double>(bytes);
    if (!(scaled < 9223372036854775808.0)) return std::nullopt;  // 2^63
    return static_cast<int64_t>(scaled);
  }
  return std::nullopt;
}

std::optional<double> ParseMilliseconds(std::string_view text) {
  double scale = 0;
  for (const auto& [unit, ms] : {std::pair<std::string_view, double>{"ms", 1}, {"s", 1000}}) {
    if (scale != 0 || text.size() <= unit.size() || text.substr(text.size() - unit.size()) != unit) continue;
    text.remove_suffix(unit.size());
    scale = ms;
  }
  if (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  double number = 0;
  if (scale == 0 || !absl::SimpleAtod(std::string(text), &number)) return std::nullopt;
  number *= scale;
  return number > 0 && std::isfinite(number) ? std::optional(number) : std::nullopt;
}

std::string FormatSeconds(double seconds) {
  seconds = std::max(0.0, seconds);
  if (seconds < 9.95) return absl::StrFormat("%.2f s", seconds);
  if (seconds < 59.5) return absl::StrFormat("%.1f s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return absl::StrFormat("%d min %02d s", whole / 60, whole % 60);
  return absl::StrFormat("%d h %02d min", whole / 3600, whole % 3600 / 60);
}

std::string FormatPercent(double share) { return absl::StrFormat("%.1f %%", share * 100); }

std::string FormatNumber(double value) { return absl::StrFormat("%.4g", value); }

std::string FormatBar(double share, int width) {
  const int filled = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * width));
  return std::string(filled, '#') + std::string(width - filled, '.');
}

}  // namespace kprune::client
