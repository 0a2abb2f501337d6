#include "engine/evaluation/number_text.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace kprune {
namespace {

// Three digits that count.
std::string Scaled(double value, double step, const char* const (&prefixes)[5], const char* unit) {
  int prefix = 0;
  // 999.5 would be written 1000.
  while (std::fabs(value) >= 999.5 && prefix < 4) {
    value /= step;
    ++prefix;
  }
  const double size = std::fabs(value);
  const bool whole = prefix == 0 && value == std::floor(value);
  const int decimals = whole || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  const std::string suffix = absl::StrCat(prefixes[prefix], unit);
  return absl::StrFormat("%.*f%s%s", decimals, value, suffix.empty() ? "" : " ", suffix);
}

}  // namespace

std::string CountText(double value) { return Scaled(value, 1000, {"", "k", "M", "G", "T"}, ""); }

std::string BytesText(double bytes) { return Scaled(bytes, 1024, {"", "Ki", "Mi", "Gi", "Ti"}, "B"); }

std::string DurationText(double seconds) {
  if (seconds < 9.995) return absl::StrFormat("%.2f s", seconds);
  if (seconds < 59.95) return absl::StrFormat("%.1f s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 3600) return absl::StrFormat("%d min %02d s", whole / 60, whole % 60);
  return absl::StrFormat("%d h %02d min", whole / 3600, whole % 3600 / 60);
}

std::string PercentText(double share) { return absl::StrFormat("%.1f %%", 100 * share); }

std::string DecimalText(double value) { return absl::StrFormat("%.4g", value); }

std::string PointsText(double difference) {
  const double points = std::round(1e4 * difference) / 100;
  return points == 0 ? "0.00" : absl::StrFormat("%+.2f", points);
}

std::string IntervalText(const std::pair<double, double>& interval) {
  return absl::StrCat(DecimalText(interval.first), " to ", DecimalText(interval.second));
}

std::string PointsIntervalText(const std::pair<double, double>& interval) {
  return absl::StrCat(PointsText(interval.first), " to ", PointsText(interval.second));
}

}  // namespace kprune
