// Statistics of small samples. Pure functions on plain vectors.
#ifndef KPRUNE_ENGINE_EVALUATION_STATISTICS_H_
#define KPRUNE_ENGINE_EVALUATION_STATISTICS_H_

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace kprune {

// Pearson's correlation of two equally long lists; 0 where one of them does not vary.
double PearsonCorrelation(const std::vector<double>& a, const std::vector<double>& b);

// Pearson's correlation of the ranks; ties share their mean rank.
double SpearmanCorrelation(const std::vector<double>& a, const std::vector<double>& b);

// Wilson's 95 % interval of a proportion: `hits` of `n`; [0, 1] for n = 0.
std::pair<double, double> WilsonInterval(int64_t hits, int64_t n);

// The score interval at 95 % of the difference of two proportions on the same `n` samples, of which
// `only_first` hit in the first alone and `only_second` in the second alone: of (only_first - only_second) /
// n. Tango: "Equivalence test and confidence interval for the difference in proportions for the paired-sample
// design", Statistics in Medicine 17 (1998). With only_second = 0 its upper end is that of Wilson's interval.
// [-1, 1] for n = 0.
std::pair<double, double> TangoInterval(int64_t only_first, int64_t only_second, int64_t n);

// The fewest samples on which Wilson's interval of no hits at all (and Tango's of no differences) ends at
// `share` or below, `share` in (0, 1).
int64_t LeastSamplesFor(double share);

// 95 % percentile interval of statistic(indices) over 1,000 resamples of 0 .. n - 1 with replacement;
// deterministic.
std::pair<double, double> BootstrapInterval(
    int64_t n, const std::function<double(const std::vector<int64_t>&)>& statistic);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_STATISTICS_H_
