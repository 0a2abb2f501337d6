#include "engine/refit/removal_order_on_device.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

namespace kprune {
namespace {

constexpr int64_t kStepsAFlush = 64;  // removals between two updates of the whole matrices

// The recursion of SingleFeatures (removal_order.cc): with s = A_i / A_ii, p = A_i and q = M_i - M_ii s / 2,
//   A <- A - p^T s,   M <- M - s^T q - q^T s.
// Rows of A and M lie side by side, so that one selection takes both; what they have lost since the last
// flush is one product of the removed unit's coefficients with the rows s and q. A unit that has gone costs
// infinity.
class OnDevice {
 public:
  OnDevice(const at::Tensor& inverse_BUU, const at::Tensor& loss_BUU)
      : sublayers_(inverse_BUU.size(0)),
        units_(inverse_BUU.size(1)),
        am_BU2U_(at::cat({inverse_BUU, loss_BUU}, 2)),
        a_BUU_(am_BU2U_.narrow(2, 0, units_)),
        m_BUU_(am_BU2U_.narrow(2, units_, units_)),
        a_diagonals_(a_BUU_.diagonal(0, 1, 2).clone()),
        m_diagonals_(m_BUU_.diagonal(0, 1, 2).clone()),
        cost_BU_(at::empty_like(a_diagonals_)),
        history_(at::zeros({sublayers_, 5 * kStepsAFlush, units_}, a_BUU_.options())),
        first_rows_B1_(at::arange(sublayers_, at::TensorOptions(at::kLong))
                           .mul(units_)
                           .unsqueeze(1)
                           .to(inverse_BUU.device())),
        removed_(at::empty({units_, sublayers_, 1}, first_rows_B1_.options())),
        costs_(at::empty({units_, sublayers_, 1}, a_BUU_.options())) {}

  std::vector<RemovalOrder> Orders() {
    for (int64_t removed = 0; removed < units_; removed += kStepsAFlush) {
      const int64_t steps = std::min(kStepsAFlush, units_ - removed);
      for (int64_t k = 0; k < steps; ++k) Remove(k, removed_[removed + k], costs_[removed + k]);
      Flush();
    }
    const at::Tensor units = removed_.to(at::kCPU), costs = costs_.to(at::kCPU);
    const auto units_UB = units.accessor<int64_t, 3>();
    const auto costs_UB = costs.accessor<double, 3>();
    std::vector<RemovalOrder> orders(sublayers_, {{}, {0}});
    for (int64_t k = 0; k < units_; ++k) {
      for (int64_t b = 0; b < sublayers_; ++b) {
        orders[b].units.push_back(units_UB[k][b][0]);
        orders[b].costs.push_back(orders[b].costs.back() + 0.5 * std::max(costs_UB[k][b][0], 0.0));
      }
    }
    return orders;
  }

 private:
  // Of the removals since the last flush; rows that no removal has filled are zero. The blocks p, 0, q, s
  // give a unit's coefficients, s and q what they multiply: the same rows serve as both.
  enum Block { kP, kZero, kQ, kS, kQAgain };
  at::Tensor Row(Block block, int64_t k) const { return history_.select(1, block * kStepsAFlush + k); }
  at::Tensor Blocks(Block first, int64_t count) const {
    return history_.narrow(1, first * kStepsAFlush, count * kStepsAFlush);
  }

  void Remove(int64_t k, at::Tensor unit_B1, at::Tensor cost_B1) {
    at::div_out(cost_BU_, m_diagonals_, a_diagonals_);
    at::argmin_out(unit_B1, cost_BU_, 1, /*keepdim=*/true);
    at::gather_out(cost_B1, cost_BU_, 1, unit_B1);
    const at::Tensor unit_B11 = unit_B1.unsqueeze(2);
    const at::Tensor coefficients =
        Blocks(kP, 4).gather(2, unit_B11.expand({sublayers_, 4 * kStepsAFlush, 1}));
    const at::Tensor rows_B2U = am_BU2U_.view({sublayers_ * units_, 2 * units_})
                                    .index_select(0, (first_rows_B1_ + unit_B1).view({sublayers_}))
                                    .view({sublayers_, 2, units_});
    const at::Tensor now_B2U = at::baddbmm(rows_B2U, coefficients.view({sublayers_, 2, 2 * kStepsAFlush}),
                                           Blocks(kS, 2), /*beta=*/1, /*alpha=*/-1);
    const at::Tensor pivots_B21 = now_B2U.gather(2, unit_B11.expand({sublayers_, 2, 1}));  // A_ii and M_ii
    at::Tensor p = Row(kP, k), q = Row(kQ, k), s = Row(kS, k);
    p.copy_(now_B2U.select(1, 0));
    at::div_out(s, p, pivots_B21.select(1, 0));
    at::addcmul_out(q, now_B2U.select(1, 1), s, pivots_B21.select(1, 1), -0.5);
    Row(kQAgain, k).copy_(q);
    a_diagonals_.addcmul_(p, s, -1).clamp_min_(kLeast);
    m_diagonals_.addcmul_(s, q, -2).scatter_(1, unit_B1, std::numeric_limits<double>::infinity());
  }

  void Flush() {
    a_BUU_.baddbmm_(Blocks(kS, 1).transpose(1, 2), Blocks(kP, 1), 1, -1);
    m_BUU_.baddbmm_(Blocks(kS, 2).transpose(1, 2), Blocks(kQ, 2), 1, -1);
    history_.zero_();
  }

  static constexpr double kLeast = 1e-300;
  const int64_t sublayers_, units_;
  at::Tensor am_BU2U_, a_BUU_, m_BUU_;              // as of the last flush
  at::Tensor a_diagonals_, m_diagonals_, cost_BU_;  // as of now
  at::Tensor history_;
  at::Tensor first_rows_B1_;    // of every sublayer's matrices in all of them
  at::Tensor removed_, costs_;  // of every removal
};

}  // namespace

std::vector<RemovalOrder> OrderSingleFeaturesOnDevice(const at::Tensor& inverse_BUU,
                                                      const at::Tensor& loss_BUU) {
  return OnDevice(inverse_BUU, loss_BUU).Orders();
}

}  // namespace kprune
