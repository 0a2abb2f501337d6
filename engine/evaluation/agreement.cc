#include "engine/evaluation/agreement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/evaluation/statistics.h"
#include "engine/pruning/objective.h"

namespace kprune {
namespace {

std::vector<double> ToVector(const at::Tensor& values) {
  const at::Tensor flat = values.to(at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

// Cosine similarities of all pairs of the first kMaxPairedTexts rows, one triangle.
at::Tensor PairSimilarities(const at::Tensor& all_rows) {
  const at::Tensor rows = all_rows.narrow(0, 0, std::min(all_rows.size(0), kMaxPairedTexts));
  const at::Tensor unit = rows / rows.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
  const int64_t n = rows.size(0);
  const at::Tensor pairs = at::triu_indices(n, n, 1, at::kLong);
  return unit.mm(unit.t()).index({pairs[0], pairs[1]});
}

}  // namespace

nlohmann::json Agreement(Task task, const at::Tensor& original, const at::Tensor& pruned) {
  nlohmann::json result = {{"n", original.size(0)}};
  const auto n = static_cast<double>(original.size(0));
  switch (task) {
    case Task::kSingleLabel:
    case Task::kMultiLabel: {
      const at::Tensor same = task == Task::kSingleLabel ? original.argmax(1) == pruned.argmax(1)
                                                         : (original > 0) == (pruned > 0);
      result["top1"] = same.to(at::kDouble).mean().item<double>();
      result["kl"] =
          DistillationLoss(task, pruned.to(at::kDouble), original.to(at::kDouble), 1.0).item<double>() / n;
      break;
    }
    case Task::kRegression: {
      const std::vector<double> a = ToVector(original), b = ToVector(pruned);
      result["pearson"] = PearsonCorrelation(a, b);
      result["spearman"] = SpearmanCorrelation(a, b);
      result["rmse"] = std::sqrt((original - pruned).to(at::kDouble).square().mean().item<double>());
      break;
    }
    case Task::kEmbedding: {
      result["cosine"] = at::cosine_similarity(original.to(at::kDouble), pruned.to(at::kDouble), 1, 1e-12)
                             .mean()
                             .item<double>();
      result["spearman"] = SpearmanCorrelation(ToVector(PairSimilarities(original.to(at::kDouble))),
                                               ToVector(PairSimilarities(pruned.to(at::kDouble))));
      break;
    }
  }
  return result;
}

}  // namespace kprune
