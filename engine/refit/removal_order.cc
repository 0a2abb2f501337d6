#include "engine/refit/removal_order.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace kprune {
namespace {

constexpr int64_t kLazySteps = 48;  // removals between two updates of the whole matrices

// (G + damping mean(diag G) I)^-1.
std::optional<at::Tensor> DampedInverse(const at::Tensor& gram_UU, double damping) {
  at::Tensor damped = gram_UU.clone();
  const double mean = gram_UU.diagonal().mean().item<double>();
  damped.diagonal().add_(damping * mean);
  const auto [factor, info] = at::linalg_cholesky_ex(damped);
  if (info.item<int>() != 0 || !std::isfinite(factor.sum().item<double>())) return std::nullopt;
  return at::cholesky_inverse(factor);
}

// Units of one feature. With M = W^T H W, unit i costs M_ii / A_ii; removing it with s = A_i / A_ii gives
//   A <- A - A_ii s s^T,   M <- M - s M_i - M_i^T s^T + M_ii s s^T = M - s q^T - q s^T,   q = M_i - M_ii s
//   / 2.
// The diagonals follow at once, rows are made when they are asked for, and the matrices follow every
// kLazySteps removals, without the rows and columns that have gone by then.
class SingleFeatures {
 public:
  SingleFeatures(at::Tensor inverse_UU, at::Tensor loss_UU)
      : a_(std::move(inverse_UU)), m_(std::move(loss_UU)) {}

  RemovalOrder Order() {
    RemovalOrder result{{}, {0}};
    at::Tensor names = at::arange(a_.size(0));
    while (names.size(0) > 0) {
      Begin();
      const int64_t* const name = names.const_data_ptr<int64_t>();
      for (int64_t k = 0; k < s_kn_.size(0); ++k) {
        const auto [i, cost] = Remove(k);
        result.units.push_back(name[i]);
        result.costs.push_back(result.costs.back() + 0.5 * std::max(cost, 0.0));
      }
      names = names.index_select(0, Flush());
    }
    return result;
  }

 private:
  void Begin() {
    const int64_t n = a_.size(0), steps = std::min(kLazySteps, n);
    s_kn_ = at::zeros({steps, n}, a_.options());
    q_kn_ = at::zeros({steps, n}, a_.options());
    p_k_ = at::zeros({steps}, a_.options());
    a_diagonal_ = a_.diagonal().clone();
    m_diagonal_ = m_.diagonal().clone();
    alive_ = at::ones({n}, at::kBool);
  }

  std::pair<int64_t, double> Remove(int64_t k) {
    const at::Tensor costs = (m_diagonal_ / a_diagonal_.clamp_min(1e-300))
                                 .masked_fill_(~alive_, std::numeric_limits<double>::infinity());
    const int64_t i = costs.argmin().item<int64_t>();
    const at::Tensor s_before = s_kn_.narrow(0, 0, k), q_before = q_kn_.narrow(0, 0, k);
    const at::Tensor s_i = s_before.select(1, i), q_i = q_before.select(1, i);
    const at::Tensor a_row = a_.select(0, i) - s_before.t().mv(s_i * p_k_.narrow(0, 0, k));
    const at::Tensor m_row = m_.select(0, i) - s_before.t().mv(q_i) - q_before.t().mv(s_i);
    const double pivot = a_row[i].item<double>();
    const at::Tensor s = a_row / pivot;
    const at::Tensor q = m_row - s * (0.5 * m_row[i].item<double>());
    s_kn_.select(0, k).copy_(s);
    q_kn_.select(0, k).copy_(q);
    p_k_[k].fill_(pivot);
    a_diagonal_.sub_(s.square(), pivot);
    m_diagonal_.sub_(s * q, 2);
    alive_[i].fill_(false);
    return {i, costs[i].item<double>()};
  }

  // Returns the positions that are left.
  at::Tensor Flush() {
    const at::Tensor left = alive_.nonzero().squeeze(1);
    const at::Tensor s = s_kn_.index_select(1, left), q = q_kn_.index_select(1, left);
    const auto kept = [&](const at::Tensor& x) { return x.index_select(0, left).index_select(1, left); };
    a_ = kept(a_).addmm_(s.t(), s * p_k_.unsqueeze(1), 1, -1);
    m_ = kept(m_).addmm_(s.t(), q, 1, -1).addmm_(q.t(), s, 1, -1);
    return left;
  }

  at::Tensor a_, m_;  // of the units that are left, as of the last flush
  at::Tensor s_kn_, q_kn_, p_k_;
  at::Tensor a_diagonal_, m_diagonal_, alive_;
};

// Units of several features: few, so that the matrices can follow every removal.
RemovalOrder OrderOfBlocks(at::Tensor a_UU, at::Tensor weight_dU, const at::Tensor& fisher_dd,
                           int64_t width) {
  RemovalOrder result{{}, {0}};
  std::vector<int64_t> left(a_UU.size(0) / width);
  std::iota(left.begin(), left.end(), 0);
  while (!left.empty()) {
    const at::Tensor weighed = fisher_dd.mm(weight_dU);
    size_t cheapest = 0;
    double least = std::numeric_limits<double>::infinity();
    for (size_t u = 0; u < left.size(); ++u) {
      const auto block = [&](const at::Tensor& x, int64_t dim) {
        return x.narrow(dim, static_cast<int64_t>(u) * width, width);
      };
      // tr(H W_B (A_BB)^-1 W_B^T)
      const at::Tensor solved = at::linalg_solve(block(block(a_UU, 0), 1), block(weight_dU, 1).t());
      const double cost = (block(weighed, 1).t() * solved).sum().item<double>();
      if (cost < least) {
        least = cost;
        cheapest = u;
      }
    }
    result.units.push_back(left[cheapest]);
    result.costs.push_back(result.costs.back() + 0.5 * std::max(least, 0.0));
    const int64_t begin = static_cast<int64_t>(cheapest) * width;
    const at::Tensor rows = a_UU.narrow(0, begin, width);
    const at::Tensor share = at::linalg_solve(rows.narrow(1, begin, width), rows);  // (A_BB)^-1 A_B:
    weight_dU = weight_dU - weight_dU.narrow(1, begin, width).mm(share);
    a_UU = a_UU - rows.t().mm(share);
    const auto without = [&](const at::Tensor& x, int64_t dim) {
      return at::cat({x.narrow(dim, 0, begin), x.narrow(dim, begin + width, x.size(dim) - begin - width)},
                     dim);
    };
    a_UU = without(without(a_UU, 0), 1);
    weight_dU = without(weight_dU, 1);
    left.erase(left.begin() + static_cast<int64_t>(cheapest));
  }
  return result;
}

}  // namespace

std::optional<RemovalOrder> OrderRemovals(const at::Tensor& gram_UU, const at::Tensor& weight_dU,
                                          const at::Tensor& fisher_dd, int64_t unit_width, double damping) {
  if (gram_UU.size(0) == 0) return RemovalOrder{{}, {0}};
  if (gram_UU.abs().max().item<double>() == 0) {  // features that are always zero: nobody misses them
    const int64_t units = gram_UU.size(0) / unit_width;
    RemovalOrder order{std::vector<int64_t>(units), std::vector<double>(units + 1, 0.0)};
    std::iota(order.units.begin(), order.units.end(), int64_t{0});
    return order;
  }
  const at::Tensor weight = weight_dU.to(at::kDouble);
  const std::optional<at::Tensor> inverse = DampedInverse(gram_UU, damping);
  if (!inverse || !std::isfinite(fisher_dd.sum().item<double>())) return std::nullopt;
  if (unit_width > 1) return OrderOfBlocks(*inverse, weight, fisher_dd, unit_width);
  return SingleFeatures(*inverse, weight.t().mm(fisher_dd.mm(weight))).Order();
}

}  // namespace kprune
