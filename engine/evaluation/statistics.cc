#include "engine/evaluation/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace kprune {
namespace {

constexpr double z = 1.959963984540054;  // of 95 %, two-sided

// Tango's statistic: the score of a difference `delta` where b and c of n samples hit in one alone.
double TangoScore(double b, double c, double n, double delta) {
  // The share that hits in the second alone, at its greatest likelihood given delta.
  const double linear = (2 * n - b + c) * delta - b - c, constant = -c * delta * (1 - delta);
  const double share = (std::sqrt(linear * linear - 8 * n * constant) - linear) / (4 * n);
  const double variance = n * (2 * share + delta * (1 - delta));
  return variance > 0 ? (b - c - n * delta) / std::sqrt(variance) : 0;
}

// Where the score is z, between what was observed and the end of the range (-1 or 1). It falls as delta
// rises.
double DifferenceAtScore(double b, double c, double n, double observed, double end) {
  double within = observed, beyond = end;
  for (int i = 0; i < 100; ++i) {
    const double middle = (within + beyond) / 2;
    (std::abs(TangoScore(b, c, n, middle)) <= z ? within : beyond) = middle;
  }
  return within;
}

std::vector<double> MeanRanks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double mean = (static_cast<double>(begin) + static_cast<double>(end) - 1) / 2;
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = mean;
    begin = end;
  }
  return ranks;
}

}  // namespace

double PearsonCorrelation(const std::vector<double>& a, const std::vector<double>& b) {
  const double n = static_cast<double>(a.size());
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / n;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / n;
  double aa = 0, bb = 0, ab = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
    ab += (a[i] - mean_a) * (b[i] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

double SpearmanCorrelation(const std::vector<double>& a, const std::vector<double>& b) {
  return PearsonCorrelation(MeanRanks(a), MeanRanks(b));
}

std::pair<double, double> WilsonInterval(int64_t hits, int64_t n) {
  if (n == 0) return {0, 1};
  const double size = static_cast<double>(n), p = static_cast<double>(hits) / size;
  const double centre = (p + z * z / (2 * size)) / (1 + z * z / size);
  const double half = z / (1 + z * z / size) * std::sqrt(p * (1 - p) / size + z * z / (4 * size * size));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

std::pair<double, double> TangoInterval(int64_t only_first, int64_t only_second, int64_t n) {
  if (n == 0) return {-1, 1};
  if (only_first < only_second) {
    const auto [low, high] = TangoInterval(only_second, only_first, n);
    return {-high, -low};
  }
  const double b = static_cast<double>(only_first), c = static_cast<double>(only_second);
  const double size = static_cast<double>(n), observed = (b - c) / size;
  return {DifferenceAtScore(b, c, size, observed, -1), DifferenceAtScore(b, c, size, observed, 1)};
}

int64_t LeastSamplesFor(double share) { return static_cast<int64_t>(std::ceil(z * z * (1 - share) / share)); }

std::pair<double, double> BootstrapInterval(
    int64_t n, const std::function<double(const std::vector<int64_t>&)>& statistic) {
  constexpr int kResamples = 1000;
  std::mt19937_64 random(20240517);
  std::vector<double> values;
  std::vector<int64_t> indices(n);
  for (int i = 0; i < kResamples; ++i) {
    for (int64_t& index : indices) index = static_cast<int64_t>(random() % static_cast<uint64_t>(n));
    values.push_back(statistic(indices));
  }
  std::sort(values.begin(), values.end());
  return {values[kResamples * 25 / 1000], values[kResamples * 975 / 1000 - 1]};
}

}  // namespace kprune
