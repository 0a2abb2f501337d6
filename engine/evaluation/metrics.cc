#include "engine/evaluation/metrics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/evaluation/line_metrics.h"
#include "engine/evaluation/statistics.h"

namespace kprune {
namespace {

// What the metrics need of a confusion matrix: its diagonal and its margins.
struct ClassCounts {
  double correct = 0, predicted = 0, labelled = 0;

  double f1() const { return LabelCounts{correct, predicted - correct, labelled - correct}.f1(); }
};

double MacroF1(const std::vector<ClassCounts>& classes) {
  double sum = 0;
  for (const ClassCounts& counts : classes) sum += counts.f1();
  return sum / static_cast<double>(classes.size());
}

// Matthews' correlation of several classes (Gorodkin's R_K).
double Matthews(const std::vector<ClassCounts>& classes) {
  double correct = 0, total = 0, cross = 0, predicted2 = 0, labelled2 = 0;
  for (const ClassCounts& counts : classes) {
    correct += counts.correct;
    total += counts.labelled;
    cross += counts.predicted * counts.labelled;
    predicted2 += counts.predicted * counts.predicted;
    labelled2 += counts.labelled * counts.labelled;
  }
  const double denominator = std::sqrt((total * total - predicted2) * (total * total - labelled2));
  return denominator > 0 ? (correct * total - cross) / denominator : 0;
}

Metric Classification(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const at::Tensor predictions = outputs.argmax(1).contiguous();
  const int64_t* predicted = predictions.const_data_ptr<int64_t>();
  std::vector<ClassCounts> classes(outputs.size(1));
  int64_t hits = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const auto label = static_cast<int64_t>(samples[i].labels[0]);
    const bool hit = predicted[i] == label;
    hits += hit;
    classes[label].correct += hit;
    classes[label].labelled += 1;
    classes[predicted[i]].predicted += 1;
  }
  const auto n = static_cast<int64_t>(samples.size());
  const double accuracy = static_cast<double>(hits) / static_cast<double>(n);
  // Two classes: F1 of class 1, as GLUE has it.
  const bool binary = classes.size() == 2;
  return {"accuracy",
          accuracy,
          n,
          WilsonInterval(hits, n),
          {{"accuracy", accuracy},
           {binary ? "f1" : "macro_f1", binary ? classes[1].f1() : MacroF1(classes)},
           {"matthews", Matthews(classes)}}};
}

std::vector<int64_t> AllIndices(int64_t n) {
  std::vector<int64_t> all(n);
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<LabelCounts> CountLabels(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const at::Tensor positive = (outputs > 0).to(at::kInt).contiguous();
  const int* predicted = positive.const_data_ptr<int>();
  const int64_t classes = outputs.size(1);
  std::vector<LabelCounts> rows(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    for (int64_t c = 0; c < classes; ++c) {
      const bool yes = predicted[static_cast<int64_t>(i) * classes + c] != 0,
                 label = samples[i].labels[c] != 0;
      rows[i].tp += yes && label;
      rows[i].fp += yes && !label;
      rows[i].fn += !yes && label;
    }
  }
  return rows;
}

Metric MultiLabel(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const std::vector<LabelCounts> rows = CountLabels(outputs, samples);
  double exact = 0;
  for (const LabelCounts& row : rows) exact += row.fp + row.fn == 0;
  const auto n = static_cast<int64_t>(samples.size());
  const MetricOnSubset micro_f1 = MicroF1(rows);
  const double value = micro_f1(AllIndices(n));
  return {"micro_f1",
          value,
          n,
          BootstrapInterval(n, micro_f1),
          {{"micro_f1", value}, {"exact_match", exact / static_cast<double>(n)}}};
}

struct Pairs {
  std::vector<double> predicted, labels;
};

Pairs PairsOf(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const at::Tensor values = outputs.select(1, 0).to(at::kDouble).contiguous();
  Pairs pairs;
  for (size_t i = 0; i < samples.size(); ++i) {
    pairs.predicted.push_back(values.const_data_ptr<double>()[i]);
    pairs.labels.push_back(samples[i].labels[0]);
  }
  return pairs;
}

MetricOnSubset Spearman(Pairs pairs) {
  return [pairs = std::move(pairs)](const std::vector<int64_t>& indices) {
    std::vector<double> a, b;
    for (int64_t i : indices) {
      a.push_back(pairs.predicted[i]);
      b.push_back(pairs.labels[i]);
    }
    return SpearmanCorrelation(a, b);
  };
}

Metric Regression(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const auto [a, b] = PairsOf(outputs, samples);
  double squared = 0;
  for (size_t i = 0; i < a.size(); ++i) squared += (a[i] - b[i]) * (a[i] - b[i]);
  const auto n = static_cast<int64_t>(samples.size());
  const double value = SpearmanCorrelation(a, b);
  return {"spearman",
          value,
          n,
          BootstrapInterval(n, Spearman({a, b})),
          {{"spearman", value},
           {"pearson", PearsonCorrelation(a, b)},
           {"mse", squared / static_cast<double>(n)}}};
}

// Which samples, or lines of choices, are right.
std::vector<bool> Hits(Task task, const at::Tensor& outputs, absl::Span<const Sample> samples) {
  if (task == Task::kMultipleChoice) return ChoiceHits(outputs, samples);
  const at::Tensor predictions = outputs.argmax(1).contiguous();
  std::vector<bool> hits;
  for (size_t i = 0; i < samples.size(); ++i)
    hits.push_back(predictions.const_data_ptr<int64_t>()[i] == static_cast<int64_t>(samples[i].labels[0]));
  return hits;
}

MetricDifference CompareAccuracy(const std::vector<bool>& before, const std::vector<bool>& after) {
  int64_t gained = 0, lost = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    gained += after[i] && !before[i];
    lost += before[i] && !after[i];
  }
  const auto n = static_cast<int64_t>(before.size());
  return {static_cast<double>(gained - lost) / static_cast<double>(n), TangoInterval(gained, lost, n),
          "tango"};
}

MetricDifference CompareOnResamples(const MetricOnSubset& original, const MetricOnSubset& pruned, int64_t n) {
  const auto difference = [&](const std::vector<int64_t>& indices) {
    return pruned(indices) - original(indices);
  };
  return {difference(AllIndices(n)), BootstrapInterval(n, difference), "bootstrap"};
}

Metric MultipleChoice(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const std::vector<bool> hits = ChoiceHits(outputs, samples);
  const auto n = static_cast<int64_t>(hits.size());
  const int64_t right = std::count(hits.begin(), hits.end(), true);
  const double accuracy = static_cast<double>(right) / static_cast<double>(n);
  return {"accuracy", accuracy, n, WilsonInterval(right, n), {{"accuracy", accuracy}}};
}

// Of tasks whose metric counts something in every line.
LineMetric LineMetricOf(Task task, const at::Tensor& outputs, absl::Span<const Sample> samples,
                        absl::Span<const std::string> names) {
  if (task == Task::kQuestionAnswering) return AnswerMetric(outputs, samples);
  if (task == Task::kMaskedLm) return MaskedTokenMetric(outputs, samples);
  return TokenMetric(outputs, samples, names);
}

Metric Finished(LineMetric metric) {
  const double value = metric.value(AllIndices(metric.lines));
  metric.others[metric.name] = value;
  return {metric.name, value, metric.lines, BootstrapInterval(metric.lines, metric.value),
          std::move(metric.others)};
}

}  // namespace

std::optional<Metric> EvaluateMetric(Task task, const at::Tensor& outputs, absl::Span<const Sample> samples,
                                     absl::Span<const std::string> names) {
  switch (task) {
    case Task::kSingleLabel:
      return Classification(outputs, samples);
    case Task::kMultiLabel:
      return MultiLabel(outputs, samples);
    case Task::kRegression:
      return Regression(outputs, samples);
    case Task::kMultipleChoice:
      return MultipleChoice(outputs, samples);
    case Task::kTokenClassification:
    case Task::kQuestionAnswering:
    case Task::kMaskedLm:
      return Finished(LineMetricOf(task, outputs, samples, names));
    case Task::kEmbedding:
      break;
  }
  return std::nullopt;
}

std::optional<MetricDifference> CompareMetrics(Task task, const at::Tensor& original,
                                               const at::Tensor& pruned, absl::Span<const Sample> samples,
                                               absl::Span<const std::string> names) {
  const auto n = static_cast<int64_t>(samples.size());
  switch (task) {
    case Task::kSingleLabel:
    case Task::kMultipleChoice:
      return CompareAccuracy(Hits(task, original, samples), Hits(task, pruned, samples));
    case Task::kMultiLabel:
      return CompareOnResamples(MicroF1(CountLabels(original, samples)),
                                MicroF1(CountLabels(pruned, samples)), n);
    case Task::kRegression:
      return CompareOnResamples(Spearman(PairsOf(original, samples)), Spearman(PairsOf(pruned, samples)), n);
    case Task::kTokenClassification:
    case Task::kQuestionAnswering:
    case Task::kMaskedLm: {
      const LineMetric before = LineMetricOf(task, original, samples, names);
      return CompareOnResamples(before.value, LineMetricOf(task, pruned, samples, names).value, before.lines);
    }
    case Task::kEmbedding:
      break;
  }
  return std::nullopt;
}

}  // namespace kprune
