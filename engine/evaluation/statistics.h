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

// 95 % percentile interval of statistic(indices) over 1,000 resamples of 0 .. n - 1 with replacement;
// deterministic.
std::pair<double, double> BootstrapInterval(
    int64_t n, const std::function<double(const std::vector<int64_t>&)>& statistic);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_STATISTICS_H_
