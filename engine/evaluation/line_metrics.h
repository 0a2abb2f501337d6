// Metrics that count something in every line of the data and can be told of any part of the lines. Used by
// EvaluateMetric.
#ifndef KPRUNE_ENGINE_EVALUATION_LINE_METRICS_H_
#define KPRUNE_ENGINE_EVALUATION_LINE_METRICS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "engine/data/samples.h"

namespace kprune {

// A metric's value on the lines at `indices`.
using MetricOnSubset = std::function<double(const std::vector<int64_t>& indices)>;

struct LineMetric {
  std::string name;
  int64_t lines = 0;
  MetricOnSubset value;
  std::map<std::string, double> others;  // beside it, of all lines
};

// Hits among so many, of one line; or any sum over so many.
struct Share {
  double hits = 0, of = 0;
};

// The share of all lines together.
double ShareOfAll(const std::vector<Share>& lines);
MetricOnSubset ShareOnSubset(std::vector<Share> lines);

// Decisions of one line against its labels.
struct LabelCounts {
  double tp = 0, fp = 0, fn = 0;

  LabelCounts& operator+=(const LabelCounts& other) {
    tp += other.tp;
    fp += other.fp;
    fn += other.fn;
    return *this;
  }

  double f1() const { return 2 * tp + fp + fn > 0 ? 2 * tp / (2 * tp + fp + fn) : 0; }
};

// F1 of all decisions together.
MetricOnSubset MicroF1(std::vector<LabelCounts> lines);

// Of tokens' classes: where the classes' names are entities' tags "entity_f1" (with "precision", "recall" and
// "token_accuracy"), else "token_accuracy". `outputs`: one row for each of the samples' positions.
LineMetric TokenMetric(const at::Tensor& outputs, absl::Span<const Sample> samples,
                       absl::Span<const std::string> names);

// Of questions: "f1", with "exact_match". Of token ids without text both compare tokens, not words.
LineMetric AnswerMetric(const at::Tensor& outputs, absl::Span<const Sample> samples);

// Of masked tokens: "masked_accuracy", the share that is found again, with "pseudo_perplexity".
LineMetric MaskedTokenMetric(const at::Tensor& outputs, absl::Span<const Sample> samples);

// Of multiple choice: whether the choice with the largest output is the right one, for every line.
std::vector<bool> ChoiceHits(const at::Tensor& outputs, absl::Span<const Sample> samples);

// The choice with the largest output, for every line.
std::vector<int64_t> BestChoices(const at::Tensor& outputs, absl::Span<const Sample> samples);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_LINE_METRICS_H_
