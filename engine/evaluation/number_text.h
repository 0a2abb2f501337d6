// Numbers as people read them on a page. Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_NUMBER_TEXT_H_
#define KPRUNE_ENGINE_EVALUATION_NUMBER_TEXT_H_

#include <string>
#include <utility>

namespace kprune {

std::string CountText(double value);        // 513 M, 1.54 k, 12
std::string BytesText(double bytes);        // 66.3 MiB
std::string DurationText(double seconds);   // 0.42 s, 12.3 s, 4 min 05 s
std::string PercentText(double share);      // 49.9 %
std::string DecimalText(double value);      // four significant digits: 0.8784, 1.5e-05
std::string PointsText(double difference);  // +0.46, of a difference of fractions: in points

// "0.8551 to 0.8985", with DecimalText; in points with PointsText.
std::string IntervalText(const std::pair<double, double>& interval);
std::string PointsIntervalText(const std::pair<double, double>& interval);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_NUMBER_TEXT_H_
