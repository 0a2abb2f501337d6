#include "engine/refit/removal_order.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "absl/types/span.h"
#include "engine/refit/removal_order_on_device.h"

namespace kprune {
namespace {

constexpr int64_t kLazySteps = 48;        // removals between two updates of the whole matrices
constexpr int64_t kFlushedColumns = 256;  // of them at a time

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
// kLazySteps removals, without the rows and columns that have gone by then. Both are symmetric: only what
// is on and below the diagonal is kept up.
class SingleFeatures {
 public:
  // Takes both matrices over.
  SingleFeatures(const at::Tensor& inverse_UU, const at::Tensor& loss_UU)
      : a_UU_(inverse_UU.contiguous()),
        m_UU_(loss_UU.contiguous()),
        stride_(a_UU_.size(0)),
        s_(at::empty({kLazySteps, stride_}, a_UU_.options())),
        q_(at::empty_like(s_)),
        scaled_s_(at::empty_like(s_)),
        names_(stride_) {
    std::iota(names_.begin(), names_.end(), int64_t{0});
  }

  RemovalOrder Order() {
    RemovalOrder result{{}, {0}};
    while (!names_.empty()) {
      Begin();
      for (int64_t k = 0; k < steps_; ++k) {
        const auto [i, cost] = Remove(k);
        result.units.push_back(names_[i]);
        result.costs.push_back(result.costs.back() + 0.5 * std::max(cost, 0.0));
      }
      Flush();
    }
    return result;
  }

 private:
  int64_t left() const { return static_cast<int64_t>(names_.size()); }
  static double* RowOf(const at::Tensor& x, int64_t row) {
    return x.mutable_data_ptr<double>() + row * x.size(1);
  }

  void Begin() {
    steps_ = std::min(kLazySteps, left());
    gone_.assign(left(), 0);
    a_diagonal_.resize(left());
    m_diagonal_.resize(left());
    for (int64_t i = 0; i < left(); ++i) {
      a_diagonal_[i] = RowOf(a_UU_, i)[i];
      m_diagonal_[i] = RowOf(m_UU_, i)[i];
    }
  }

  int64_t Cheapest() const {
    int64_t cheapest = -1;
    double least = std::numeric_limits<double>::infinity();
    for (int64_t i = 0; i < left(); ++i) {
      if (!gone_[i] && (cheapest < 0 || CostOf(i) < least)) {
        cheapest = i;
        least = CostOf(i);
      }
    }
    return cheapest;
  }

  double CostOf(int64_t i) const { return m_diagonal_[i] / std::max(a_diagonal_[i], 1e-300); }

  // Row i of a symmetric matrix as of the last flush.
  void CopyRow(const at::Tensor& lower_UU, int64_t i, double* row) const {
    std::copy_n(RowOf(lower_UU, i), i + 1, row);
    const double* const column = RowOf(lower_UU, 0) + i;
    for (int64_t j = i + 1; j < left(); ++j) row[j] = column[j * stride_];
  }

  std::pair<int64_t, double> Remove(int64_t k) {
    const int64_t n = left(), i = Cheapest();
    const double cost = CostOf(i);
    double *const s = RowOf(s_, k), *const q = RowOf(q_, k);
    CopyRow(a_UU_, i, s);
    CopyRow(m_UU_, i, q);
    for (int64_t j = 0; j < k; ++j) {
      const double *const s_j = RowOf(s_, j), *const q_j = RowOf(q_, j);
      const double s_i = s_j[i], q_i = q_j[i], scaled_s_i = RowOf(scaled_s_, j)[i];
      for (int64_t u = 0; u < n; ++u) {
        s[u] -= scaled_s_i * s_j[u];
        q[u] -= q_i * s_j[u] + s_i * q_j[u];
      }
    }
    const double pivot = s[i], half = 0.5 * q[i];
    double* const scaled_s = RowOf(scaled_s_, k);
    for (int64_t u = 0; u < n; ++u) {
      scaled_s[u] = s[u];
      s[u] /= pivot;
      q[u] -= half * s[u];
      a_diagonal_[u] -= scaled_s[u] * s[u];
      m_diagonal_[u] -= 2 * s[u] * q[u];
    }
    gone_[i] = 1;
    return {i, cost};
  }

  // Moves entries `kept` of a row to its front.
  static void Compact(const double* from, absl::Span<const int64_t> kept, double* to) {
    for (size_t j = 0; j < kept.size(); ++j) to[j] = from[kept[j]];
  }

  void Flush() {
    std::vector<int64_t> stay;
    for (int64_t i = 0; i < left(); ++i) {
      if (gone_[i] == 0) stay.push_back(i);
    }
    const auto kept = static_cast<int64_t>(stay.size());
    for (int64_t i = 0; i < kept; ++i) {
      for (const at::Tensor& x : {a_UU_, m_UU_})
        Compact(RowOf(x, stay[i]), absl::MakeConstSpan(stay).first(i + 1), RowOf(x, i));
      names_[i] = names_[stay[i]];
    }
    for (const at::Tensor& x : {s_, q_, scaled_s_}) {
      for (int64_t k = 0; k < steps_; ++k) Compact(RowOf(x, k), stay, RowOf(x, k));
    }
    names_.resize(kept);
    const at::Tensor s = s_.narrow(0, 0, steps_), q = q_.narrow(0, 0, steps_),
                     scaled_s = scaled_s_.narrow(0, 0, steps_);
    const at::Tensor sq = at::cat({s, q}), qs = at::cat({q, s});
    for (int64_t begin = 0; begin < kept; begin += kFlushedColumns) {
      const int64_t width = std::min(kFlushedColumns, kept - begin), end = begin + width;
      const auto block = [&](const at::Tensor& x) { return x.narrow(0, begin, width).narrow(1, 0, end); };
      const auto rows = [&](const at::Tensor& x) { return x.narrow(1, begin, width).t(); };
      block(a_UU_).addmm_(rows(s), scaled_s.narrow(1, 0, end), 1, -1);
      block(m_UU_).addmm_(rows(sq), qs.narrow(1, 0, end), 1, -1);
    }
  }

  at::Tensor a_UU_, m_UU_;  // of the units that are left, in the upper left corner, as of the last flush
  const int64_t stride_;
  at::Tensor s_, q_, scaled_s_;  // [kLazySteps, U]: s, q and A_ii s of every removal since
  int64_t steps_ = 0;
  std::vector<int64_t> names_;
  std::vector<double> a_diagonal_, m_diagonal_;  // as of now
  std::vector<uint8_t> gone_;                    // since the last flush
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

// What units of one feature are ordered by.
struct SingleFeatureMatrices {
  at::Tensor inverse_UU, loss_UU;
};

// Orders of single features on a GPU, those of as many units together.
void OrderOnDevice(const std::map<size_t, SingleFeatureMatrices>& matrices,
                   std::vector<std::optional<RemovalOrder>>& orders) {
  std::map<int64_t, std::vector<size_t>> by_units;
  for (const auto& [i, each] : matrices) by_units[each.inverse_UU.size(0)].push_back(i);
  for (const auto& [units, indices] : by_units) {
    std::vector<at::Tensor> inverses, losses;
    for (const size_t i : indices) {
      inverses.push_back(matrices.at(i).inverse_UU);
      losses.push_back(matrices.at(i).loss_UU);
    }
    std::vector<RemovalOrder> found = OrderSingleFeaturesOnDevice(at::stack(inverses), at::stack(losses));
    for (size_t k = 0; k < indices.size(); ++k) orders[indices[k]] = std::move(found[k]);
  }
}

}  // namespace

std::vector<std::optional<RemovalOrder>> OrderRemovals(absl::Span<const RemovalProblem> problems,
                                                       double damping) {
  std::vector<std::optional<RemovalOrder>> orders(problems.size());
  std::map<size_t, SingleFeatureMatrices> on_device;
  for (size_t i = 0; i < problems.size(); ++i) {
    const auto& [gram_UU, weight_dU, fisher_dd, unit_width] = problems[i];
    const int64_t units = gram_UU.size(0) / unit_width;
    if (units == 0 || gram_UU.abs().max().item<double>() == 0) {  // what is always zero is missed by nobody
      orders[i] = RemovalOrder{std::vector<int64_t>(units), std::vector<double>(units + 1, 0.0)};
      std::iota(orders[i]->units.begin(), orders[i]->units.end(), int64_t{0});
      continue;
    }
    const at::Tensor weight = weight_dU.to(at::kDouble);
    const std::optional<at::Tensor> inverse = DampedInverse(gram_UU, damping);
    if (!inverse || !std::isfinite(fisher_dd.sum().item<double>())) continue;
    if (unit_width > 1) {
      orders[i] =
          OrderOfBlocks(inverse->to(at::kCPU), weight.to(at::kCPU), fisher_dd.to(at::kCPU), unit_width);
      continue;
    }
    const at::Tensor loss_UU = weight.t().mm(fisher_dd.mm(weight));
    if (loss_UU.is_cpu()) {
      orders[i] = SingleFeatures(*inverse, loss_UU).Order();
    } else {
      on_device[i] = {*inverse, loss_UU};
    }
  }
  OrderOnDevice(on_device, orders);
  return orders;
}

}  // namespace kprune
