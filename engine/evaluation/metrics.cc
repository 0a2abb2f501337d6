#include "engine/evaluation/metrics.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "engine/evaluation/statistics.h"

namespace kprune {
namespace {

double F1(double true_positives, double false_positives, double false_negatives) {
  const double denominator = 2 * true_positives + false_positives + false_negatives;
  return denominator > 0 ? 2 * true_positives / denominator : 0;
}

// What the metrics need of a confusion matrix: its diagonal and its margins.
struct ClassCounts {
  double correct = 0, predicted = 0, labelled = 0;

  double f1() const { return F1(correct, predicted - correct, labelled - correct); }
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

Metric MultiLabel(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const at::Tensor positive = (outputs > 0).to(at::kInt).contiguous();
  const int* predicted = positive.const_data_ptr<int>();
  const int64_t classes = outputs.size(1);
  struct Counts {
    double tp = 0, fp = 0, fn = 0;
  };
  std::vector<Counts> rows(samples.size());
  double exact = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    for (int64_t c = 0; c < classes; ++c) {
      const bool yes = predicted[static_cast<int64_t>(i) * classes + c] != 0,
                 label = samples[i].labels[c] != 0;
      rows[i].tp += yes && label;
      rows[i].fp += yes && !label;
      rows[i].fn += !yes && label;
    }
    exact += rows[i].fp + rows[i].fn == 0;
  }
  const auto micro_f1 = [&](const std::vector<int64_t>& indices) {
    Counts sum;
    for (int64_t i : indices) sum = {sum.tp + rows[i].tp, sum.fp + rows[i].fp, sum.fn + rows[i].fn};
    return F1(sum.tp, sum.fp, sum.fn);
  };
  std::vector<int64_t> all(samples.size());
  std::iota(all.begin(), all.end(), 0);
  const auto n = static_cast<int64_t>(samples.size());
  const double value = micro_f1(all);
  return {"micro_f1",
          value,
          n,
          BootstrapInterval(n, micro_f1),
          {{"micro_f1", value}, {"exact_match", exact / static_cast<double>(n)}}};
}

Metric Regression(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const at::Tensor values = outputs.select(1, 0).to(at::kDouble).contiguous();
  const double* predicted = values.const_data_ptr<double>();
  const auto gather = [&](const std::vector<int64_t>& indices) {
    std::pair<std::vector<double>, std::vector<double>> pair;
    for (int64_t i : indices) {
      pair.first.push_back(predicted[i]);
      pair.second.push_back(samples[i].labels[0]);
    }
    return pair;
  };
  const auto spearman = [&](const std::vector<int64_t>& indices) {
    const auto [a, b] = gather(indices);
    return SpearmanCorrelation(a, b);
  };
  std::vector<int64_t> all(samples.size());
  std::iota(all.begin(), all.end(), 0);
  const auto [a, b] = gather(all);
  double squared = 0;
  for (size_t i = 0; i < a.size(); ++i) squared += (a[i] - b[i]) * (a[i] - b[i]);
  const auto n = static_cast<int64_t>(samples.size());
  const double value = SpearmanCorrelation(a, b);
  return {"spearman",
          value,
          n,
          BootstrapInterval(n, spearman),
          {{"spearman", value},
           {"pearson", PearsonCorrelation(a, b)},
           {"mse", squared / static_cast<double>(n)}}};
}

}  // namespace

std::optional<Metric> EvaluateMetric(Task task, const at::Tensor& outputs, absl::Span<const Sample> samples) {
  switch (task) {
    case Task::kSingleLabel:
      return Classification(outputs, samples);
    case Task::kMultiLabel:
      return MultiLabel(outputs, samples);
    case Task::kRegression:
      return Regression(outputs, samples);
    case Task::kEmbedding:
      break;
  }
  return std::nullopt;
}

}  // namespace kprune
