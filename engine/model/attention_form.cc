#include "engine/model/attention_form.h"

#include <ATen/ATen.h>

#include <cmath>

namespace kprune {
namespace {

// Far below every score, but not infinite: a row of a padded query may have nothing else.
constexpr double kOutOfSight = -1e30;

at::Tensor Turned(const at::Tensor& x_NHSh, const at::Tensor& cos_Ph, const at::Tensor& sin_Ph) {
  const int64_t half = x_NHSh.size(3) / 2, S = x_NHSh.size(2);
  const at::Tensor crossed = at::cat({-x_NHSh.narrow(3, half, half), x_NHSh.narrow(3, 0, half)}, 3);
  return x_NHSh * cos_Ph.narrow(0, 0, S) + crossed * sin_Ph.narrow(0, 0, S);
}

// [R, U] to [H, h, R].
at::Tensor ByHead(const at::Tensor& table_RU, int64_t heads) {
  return table_RU.view({table_RU.size(0), heads, -1}).permute({1, 2, 0});
}

// [N, H, S, R] of tokens and rows to [N, H, S, S] of tokens and their partners' rows.
at::Tensor OfPairs(const at::Tensor& products, const at::Tensor& rows_SS) {
  return products.gather(3, rows_SS.expand({products.size(0), products.size(1), -1, -1}));
}

}  // namespace

AttentionForm AttentionForm::OfHeads(const at::Tensor& heads, const at::Tensor& features) const {
  AttentionForm form = *this;
  if (bias_RH.defined()) form.bias_RH = bias_RH.index_select(1, heads);
  if (position_key_RU.defined()) form.position_key_RU = position_key_RU.index_select(1, features);
  if (position_query_RU.defined()) form.position_query_RU = position_query_RU.index_select(1, features);
  return form;
}

at::Tensor AttentionForm::Rows(int64_t S) const {
  const int64_t places = (row_of_distance.size(0) + 1) / 2;
  const at::Tensor place = at::arange(S, row_of_distance.options());
  const at::Tensor distance = place.unsqueeze(0) - place.unsqueeze(1);  // j - i
  return row_of_distance.index_select(0, (distance + places - 1).flatten()).view({S, S});
}

at::Tensor AttentionForm::Attend(const at::Tensor& q_in, const at::Tensor& k_in, const at::Tensor& v,
                                 const at::Tensor& mask_N11S) const {
  const int64_t heads = q_in.size(1), S = q_in.size(2), h = q_in.size(3);
  at::Tensor q = q_in, k = k_in;
  if (rotary_cos_Ph.defined()) {
    q = Turned(q, rotary_cos_Ph, rotary_sin_Ph);
    k = Turned(k, rotary_cos_Ph, rotary_sin_Ph);
  }
  at::Tensor scores = q.matmul(k.transpose(2, 3));
  const at::Tensor rows_SS = row_of_distance.defined() ? Rows(S) : at::Tensor();
  if (position_key_RU.defined()) {
    scores = scores + OfPairs(q.matmul(ByHead(position_key_RU, heads)), rows_SS);
  }
  if (position_query_RU.defined()) {
    const at::Tensor products = k.matmul(ByHead(position_query_RU, heads));
    scores = scores + OfPairs(products, rows_SS.t()).transpose(2, 3);
  }
  scores = scores / std::sqrt(static_cast<double>(h * scale_factor));
  if (bias_RH.defined()) {
    scores = scores + bias_RH.index_select(0, rows_SS.flatten()).view({S, S, heads}).permute({2, 0, 1});
  }
  if (window > 0 && window < S - 1) {
    const at::Tensor place = at::arange(S, at::TensorOptions(at::kLong).device(q.device()));
    const at::Tensor distance_SS = (place.unsqueeze(0) - place.unsqueeze(1)).abs();
    scores = scores.masked_fill(distance_SS > window, kOutOfSight);
  }
  if (mask_N11S.defined()) scores = scores + mask_N11S;
  return at::softmax(scores, 3).matmul(v);
}

}  // namespace kprune
