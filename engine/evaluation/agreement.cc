#include "engine/evaluation/agreement.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/evaluation/answers.h"
#include "engine/evaluation/line_metrics.h"
#include "engine/evaluation/statistics.h"
#include "engine/model/output_rows.h"
#include "engine/pruning/objective.h"

namespace kprune {
namespace {

std::vector<double> ToVector(const at::Tensor& values) {
  const at::Tensor flat = values.to(at::kDouble).contiguous();
  return {flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel()};
}

// Every row at length 1.
at::Tensor UnitRows(const at::Tensor& rows) {
  return rows / rows.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

// Cosine similarities of all pairs of the first kMaxPairedTexts rows, one triangle.
at::Tensor PairSimilarities(const at::Tensor& all_rows) {
  const at::Tensor rows = all_rows.narrow(0, 0, std::min(all_rows.size(0), kMaxPairedTexts));
  const at::Tensor unit = UnitRows(rows);
  const int64_t n = rows.size(0);
  const at::Tensor pairs = at::triu_indices(n, n, 1, at::kLong);
  return unit.mm(unit.t()).index({pairs[0], pairs[1]});
}

// Of every text, by the cosine of its row of `queries` and the other rows of `index`, the kNearest others.
at::Tensor Nearest(const at::Tensor& queries, const at::Tensor& index) {
  at::Tensor similarities = UnitRows(queries).mm(UnitRows(index).t());
  similarities.fill_diagonal_(-2);  // not the text itself
  return std::get<1>(similarities.topk(kNearest, 1));
}

// The share of each row's entries that are in the same row of `others`.
std::vector<double> Recall(const at::Tensor& entries, const at::Tensor& others) {
  return ToVector((entries.unsqueeze(2) == others.unsqueeze(1)).any(2).to(at::kDouble).mean(1));
}

// 95 % interval of the mean of values over the samples.
std::pair<double, double> MeanInterval(const std::vector<double>& values) {
  return BootstrapInterval(static_cast<int64_t>(values.size()), [&](const std::vector<int64_t>& indices) {
    double sum = 0;
    for (const int64_t i : indices) sum += values[i];
    return sum / static_cast<double>(indices.size());
  });
}

// How many of its neighbours a text keeps.
void AddRecall(const at::Tensor& original, const at::Tensor& pruned, nlohmann::json& agreement) {
  if (original.size(0) <= kNearest) return;
  const at::Tensor right = Nearest(original, original);
  const std::pair<const char*, at::Tensor> found[] = {{"recall_at_10", Nearest(pruned, pruned)},
                                                      {"recall_at_10_old_index", Nearest(pruned, original)}};
  for (const auto& [name, neighbours] : found) {
    const std::vector<double> recall = Recall(right, neighbours);
    agreement[name] = std::accumulate(recall.begin(), recall.end(), 0.0) / static_cast<double>(recall.size());
    agreement["interval95"][name] = MeanInterval(recall);
  }
}

// What the outputs say: a class each, or yes (1) or no (0) to every label.
at::Tensor Decisions(Task task, const at::Tensor& outputs) {
  return task == Task::kMultiLabel ? (outputs > 0).to(at::kLong) : outputs.argmax(1, /*keepdim=*/true);
}

// KL of every line, whose rows begin at `rows`; of several sequences the mean.
std::vector<double> LineDivergences(Task task, const at::Tensor& original, const at::Tensor& pruned,
                                    absl::Span<const Sample> samples) {
  const std::vector<int64_t> rows = RowOffsets(task, samples), lines = LineOffsets(samples);
  std::vector<double> divergences;
  for (size_t line = 0; line + 1 < lines.size(); ++line) {
    const int64_t first = lines[line], count = lines[line + 1] - first;
    const auto part = [&](const at::Tensor& outputs) {
      return outputs.narrow(0, rows[first], rows[first + count] - rows[first]).to(at::kDouble);
    };
    const double sum = DistillationLoss(task, part(pruned), part(original), /*temperature=*/1,
                                        SoftmaxOffsets(task, samples.subspan(first, count)))
                           .item<double>();
    divergences.push_back(task == Task::kQuestionAnswering ? sum / static_cast<double>(count) : sum);
  }
  return divergences;
}

// Whether each line has the same answer, or choice.
std::vector<bool> SameAnswers(Task task, const at::Tensor& original, const at::Tensor& pruned,
                              absl::Span<const Sample> samples) {
  std::vector<bool> same;
  if (task == Task::kMultipleChoice) {
    const std::vector<int64_t> before = BestChoices(original, samples), after = BestChoices(pruned, samples);
    for (size_t i = 0; i < before.size(); ++i) same.push_back(before[i] == after[i]);
    return same;
  }
  const std::vector<Answer> before = BestAnswers(original, samples), after = BestAnswers(pruned, samples);
  for (size_t i = 0; i < before.size(); ++i) {
    const TextSpan a = SpanOf(before[i], samples), b = SpanOf(after[i], samples);
    same.push_back(a.begin == b.begin && a.end == b.end);
  }
  return same;
}

nlohmann::json AgreementOfAnswers(Task task, const at::Tensor& original, const at::Tensor& pruned,
                                  absl::Span<const Sample> samples) {
  const std::vector<bool> same = SameAnswers(task, original, pruned, samples);
  const std::vector<double> divergences = LineDivergences(task, original, pruned, samples);
  const auto n = static_cast<int64_t>(same.size());
  const int64_t equal = std::count(same.begin(), same.end(), true);
  return {{"n", n},
          {"top1", static_cast<double>(equal) / static_cast<double>(n)},
          {"kl", std::accumulate(divergences.begin(), divergences.end(), 0.0) / static_cast<double>(n)},
          {"interval95", {{"top1", WilsonInterval(equal, n)}, {"kl", MeanInterval(divergences)}}}};
}

nlohmann::json AgreementOfTokens(Task task, const at::Tensor& original, const at::Tensor& pruned,
                                 absl::Span<const Sample> samples) {
  const at::Tensor same = (Decisions(task, original) == Decisions(task, pruned)).to(at::kDouble).contiguous();
  const std::vector<int64_t> rows = RowOffsets(task, samples);
  const std::vector<double> divergences = LineDivergences(task, original, pruned, samples);
  std::vector<Share> equal, divergence;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto tokens = static_cast<double>(rows[i + 1] - rows[i]);
    equal.push_back({same.narrow(0, rows[i], rows[i + 1] - rows[i]).sum().item<double>(), tokens});
    divergence.push_back({divergences[i], tokens});
  }
  const auto n = static_cast<int64_t>(samples.size());
  const double top1 = ShareOfAll(equal);
  std::pair<double, double> interval = BootstrapInterval(n, ShareOnSubset(std::move(equal)));
  // Resamples of nothing but equal tokens tell nothing; that no line has another one does.
  if (top1 == 1) interval.first = WilsonInterval(n, n).first;
  return {{"n", n},
          {"tokens", original.size(0)},
          {"top1", top1},
          {"kl", ShareOfAll(divergence)},
          {"interval95", {{"top1", interval}, {"kl", BootstrapInterval(n, ShareOnSubset(divergence))}}}};
}

// One line of the "flipped" object, but for its predictions.
nlohmann::json PlaceJson(const Sample& sample) { return {{"file", sample.file + 1}, {"line", sample.line}}; }

nlohmann::json FlippedAnswers(Task task, const at::Tensor& original, const at::Tensor& pruned,
                              absl::Span<const Sample> samples) {
  const std::vector<bool> same = SameAnswers(task, original, pruned, samples);
  const std::vector<int64_t> lines = LineOffsets(samples);
  const auto predictions = [&](const at::Tensor& outputs) {
    std::vector<nlohmann::json> all;
    if (task == Task::kMultipleChoice) {
      for (const int64_t choice : BestChoices(outputs, samples)) all.emplace_back(choice);
    } else {
      for (const Answer& answer : BestAnswers(outputs, samples)) all.emplace_back(TextOf(answer, samples));
    }
    return all;
  };
  const std::vector<nlohmann::json> before = predictions(original), after = predictions(pruned);
  nlohmann::json list = nlohmann::json::array();
  for (size_t i = 0; i < same.size() && list.size() < kMostFlipped; ++i) {
    if (same[i]) continue;
    list.push_back(PlaceJson(samples[lines[i]]));
    list.back().update({{"original", before[i]}, {"pruned", after[i]}});
  }
  return {{"n", std::count(same.begin(), same.end(), false)}, {"samples", list}};
}

nlohmann::json FlippedTokens(Task task, const at::Tensor& original, const at::Tensor& pruned,
                             absl::Span<const Sample> samples) {
  const at::Tensor before = Decisions(task, original).contiguous(),
                   after = Decisions(task, pruned).contiguous();
  const std::vector<int64_t> rows = RowOffsets(task, samples);
  nlohmann::json list = nlohmann::json::array();
  int64_t flipped = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    nlohmann::json was = nlohmann::json::array(), is = was, tokens = was;
    for (int64_t row = rows[i]; row < rows[i + 1]; ++row) {
      const int64_t a = before.const_data_ptr<int64_t>()[row], b = after.const_data_ptr<int64_t>()[row];
      if (a == b) continue;
      const std::vector<int32_t>& positions = samples[i].positions;
      tokens.push_back(positions.empty() ? row - rows[i] : int64_t{positions[row - rows[i]]});
      was.push_back(a);
      is.push_back(b);
    }
    flipped += !was.empty();
    if (was.empty() || list.size() >= kMostFlipped) continue;
    list.push_back(PlaceJson(samples[i]));
    list.back().update({{"original", was}, {"pruned", is}, {"tokens", tokens}});
  }
  return {{"n", flipped}, {"samples", list}};
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
  if (!HasClasses(task)) return nullptr;
  if (task == Task::kQuestionAnswering || task == Task::kMultipleChoice)
    return FlippedAnswers(task, original, pruned, samples);
  if (HasTokenOutputs(task)) return FlippedTokens(task, original, pruned, samples);
  const at::Tensor before = Decisions(task, original), after = Decisions(task, pruned);
  const at::Tensor flipped = at::nonzero((before != after).any(1)).squeeze(1);
  nlohmann::json list = nlohmann::json::array();
  for (int64_t k = 0; k < std::min<int64_t>(flipped.size(0), kMostFlipped); ++k) {
    const int64_t i = flipped[k].item<int64_t>();
    list.push_back(PlaceJson(samples[i]));
    list.back().update(
        {{"original", DecisionJson(task, before[i])}, {"pruned", DecisionJson(task, after[i])}});
  }
  return {{"n", flipped.size(0)}, {"samples", list}};
}

nlohmann::json Agreement(Task task, const at::Tensor& original, const at::Tensor& pruned,
                         absl::Span<const Sample> samples) {
  nlohmann::json result = {{"n", original.size(0)}};
  const auto n = static_cast<double>(original.size(0));
  switch (task) {
    case Task::kQuestionAnswering:
    case Task::kMultipleChoice:
      return AgreementOfAnswers(task, original, pruned, samples);
    case Task::kTokenClassification:
    case Task::kMaskedLm:
      return AgreementOfTokens(task, original, pruned, samples);
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
      AddRecall(original.narrow(0, 0, std::min(original.size(0), kMaxPairedTexts)).to(at::kDouble),
                pruned.narrow(0, 0, std::min(pruned.size(0), kMaxPairedTexts)).to(at::kDouble), result);
      break;
    }
  }
  return result;
}

}  // namespace kprune
