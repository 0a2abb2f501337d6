#include "engine/evaluation/agreement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
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

// 95 % interval of the mean of values over the samples.
std::pair<double, double> MeanInterval(const std::vector<double>& values) {
  return BootstrapInterval(static_cast<int64_t>(values.size()), [&](const std::vector<int64_t>& indices) {
    double sum = 0;
    for (const int64_t i : indices) sum += values[i];
    return sum / static_cast<double>(indices.size());
  });
}

// What the outputs say: a class each, or yes (1) or no (0) to every label.
at::Tensor Decisions(Task task, const at::Tensor& outputs) {
  return task == Task::kSingleLabel ? outputs.argmax(1, /*keepdim=*/true) : (outputs > 0).to(at::kLong);
}

nlohmann::json DecisionJson(Task task, const at::Tensor& decision) {
  if (task == Task::kSingleLabel) return decision[0].item<int64_t>();
  nlohmann::json labels = nlohmann::json::array();
  for (int64_t c = 0; c < decision.size(0); ++c) labels.push_back(decision[c].item<int64_t>());
  return labels;
}

}  // namespace

nlohmann::json FlippedSamples(Task task, const at::Tensor& original, const at::Tensor& pruned,
                              absl::Span<const Sample> samples) {
  if (task != Task::kSingleLabel && task != Task::kMultiLabel) return nullptr;
  const at::Tensor before = Decisions(task, original), after = Decisions(task, pruned);
  const at::Tensor flipped = at::nonzero((before != after).any(1)).squeeze(1);
  nlohmann::json list = nlohmann::json::array();
  for (int64_t k = 0; k < std::min<int64_t>(flipped.size(0), kMostFlipped); ++k) {
    const int64_t i = flipped[k].item<int64_t>();
    list.push_back({{"file", samples[i].file + 1},
                    {"line", samples[i].line},
                    {"original", DecisionJson(task, before[i])},
                    {"pruned", DecisionJson(task, after[i])}});
  }
  return {{"n", flipped.size(0)}, {"samples", list}};
}

nlohmann::json Agreement(Task task, const at::Tensor& original, const at::Tensor& pruned) {
  nlohmann::json result = {{"n", original.size(0)}};
  const auto n = static_cast<double>(original.size(0));
  switch (task) {
    case Task::kSingleLabel:
    case Task::kMultiLabel: {
      const at::Tensor same = Decisions(task, original) == Decisions(task, pruned);
      result["top1"] = same.to(at::kDouble).mean().item<double>();
      std::vector<double> divergences;
      for (int64_t i = 0; i < original.size(0); ++i) {
        divergences.push_back(DistillationLoss(task, pruned.narrow(0, i, 1).to(at::kDouble),
                                               original.narrow(0, i, 1).to(at::kDouble), 1.0)
                                  .item<double>());
      }
      result["kl"] = std::accumulate(divergences.begin(), divergences.end(), 0.0) / n;
      // Decisions of one sample go together.
      const std::vector<double> agreeing = ToVector(same.to(at::kDouble).mean(1));
      result["interval95"] = {
          {"top1", task == Task::kSingleLabel ? WilsonInterval(same.sum().item<int64_t>(), original.size(0))
                                              : MeanInterval(agreeing)},
          {"kl", MeanInterval(divergences)}};
      break;
    }
    case Task::kRegression: {
      const std::vector<double> a = ToVector(original), b = ToVector(pruned);
      result["pearson"] = PearsonCorrelation(a, b);
      result["spearman"] = SpearmanCorrelation(a, b);
      result["interval95"] = {
          {"spearman", BootstrapInterval(original.size(0), [&](const std::vector<int64_t>& indices) {
             std::vector<double> x, y;
             for (const int64_t i : indices) {
               x.push_back(a[i]);
               y.push_back(b[i]);
             }
             return SpearmanCorrelation(x, y);
           })}};
      result["rmse"] = std::sqrt((original - pruned).to(at::kDouble).square().mean().item<double>());
      break;
    }
    case Task::kEmbedding: {
      const std::vector<double> cosines =
          ToVector(at::cosine_similarity(original.to(at::kDouble), pruned.to(at::kDouble), 1, 1e-12));
      result["cosine"] = std::accumulate(cosines.begin(), cosines.end(), 0.0) / n;
      result["interval95"] = {{"cosine", MeanInterval(cosines)}};
      result["spearman"] = SpearmanCorrelation(ToVector(PairSimilarities(original.to(at::kDouble))),
                                               ToVector(PairSimilarities(pruned.to(at::kDouble))));
      break;
    }
  }
  return result;
}

}  // namespace kprune
