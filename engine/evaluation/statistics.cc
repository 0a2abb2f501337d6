#include "engine/evaluation/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace kprune {
namespace {

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
  constexpr double z = 1.959963984540054;
  const double size = static_cast<double>(n), p = static_cast<double>(hits) / size;
  const double centre = (p + z * z / (2 * size)) / (1 + z * z / size);
  const double half = z / (1 + z * z / size) * std::sqrt(p * (1 - p) / size + z * z / (4 * size * size));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

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
