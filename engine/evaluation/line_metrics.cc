#include "engine/evaluation/line_metrics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/evaluation/answers.h"
#include "engine/evaluation/entities.h"
#include "engine/model/output_rows.h"

namespace kprune {
namespace {

Share& operator+=(Share& sum, const Share& line) {
  sum.hits += line.hits;
  sum.of += line.of;
  return sum;
}

double ValueOf(const Share& share) { return share.of > 0 ? share.hits / share.of : 0; }

// Rows whose largest output is their label.
std::vector<Share> LabelledTokenHits(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const at::Tensor predictions = outputs.argmax(1).contiguous();
  const int64_t* predicted = predictions.const_data_ptr<int64_t>();
  std::vector<Share> lines;
  for (const Sample& sample : samples) {
    Share line{0, static_cast<double>(sample.labels.size())};
    for (const double label : sample.labels) line.hits += *predicted++ == static_cast<int64_t>(label);
    lines.push_back(line);
  }
  return lines;
}

std::vector<LabelCounts> CountEntities(const at::Tensor& outputs, absl::Span<const Sample> samples,
                                       absl::Span<const std::string> names) {
  const at::Tensor predictions = outputs.argmax(1).contiguous();
  const int64_t* predicted = predictions.const_data_ptr<int64_t>();
  std::vector<LabelCounts> lines;
  for (const Sample& sample : samples) {
    std::vector<std::string> found, right;
    for (const double label : sample.labels) {
      found.push_back(names[*predicted++]);
      right.push_back(names[static_cast<int64_t>(label)]);
    }
    const std::vector<Entity> of_model = EntitiesOf(found), of_labels = EntitiesOf(right);
    const auto hits =
        static_cast<double>(std::count_if(of_model.begin(), of_model.end(), [&](const Entity& entity) {
          return std::find(of_labels.begin(), of_labels.end(), entity) != of_labels.end();
        }));
    lines.push_back(
        {hits, static_cast<double>(of_model.size()) - hits, static_cast<double>(of_labels.size()) - hits});
  }
  return lines;
}

// F1 of the tokens of two answers in one sequence.
double OverlapF1(const Answer& found, const Sample& sample) {
  const double start = std::max(static_cast<double>(found.start), sample.labels[0]);
  const double end = std::min(static_cast<double>(found.end), sample.labels[1]);
  const double common = std::max(0.0, end - start + 1);
  const auto found_tokens = static_cast<double>(found.end - found.start + 1);
  return 2 * common / (found_tokens + sample.labels[1] - sample.labels[0] + 1);
}

}  // namespace

double ShareOfAll(const std::vector<Share>& lines) {
  Share sum;
  for (const Share& line : lines) sum += line;
  return ValueOf(sum);
}

MetricOnSubset ShareOnSubset(std::vector<Share> lines) {
  return [lines = std::move(lines)](const std::vector<int64_t>& indices) {
    Share sum;
    for (const int64_t i : indices) sum += lines[i];
    return ValueOf(sum);
  };
}

MetricOnSubset MicroF1(std::vector<LabelCounts> lines) {
  return [lines = std::move(lines)](const std::vector<int64_t>& indices) {
    LabelCounts sum;
    for (const int64_t i : indices) sum += lines[i];
    return sum.f1();
  };
}

LineMetric TokenMetric(const at::Tensor& outputs, absl::Span<const Sample> samples,
                       absl::Span<const std::string> names) {
  const std::vector<Share> hits = LabelledTokenHits(outputs, samples);
  const auto n = static_cast<int64_t>(samples.size());
  if (!AreEntityTags(names)) return {"token_accuracy", n, ShareOnSubset(hits), {}};
  std::vector<LabelCounts> entities = CountEntities(outputs, samples, names);
  LabelCounts sum;
  for (const LabelCounts& line : entities) sum += line;
  return {"entity_f1",
          n,
          MicroF1(std::move(entities)),
          {{"token_accuracy", ShareOfAll(hits)},
           {"precision", sum.tp + sum.fp > 0 ? sum.tp / (sum.tp + sum.fp) : 0},
           {"recall", sum.tp + sum.fn > 0 ? sum.tp / (sum.tp + sum.fn) : 0}}};
}

LineMetric AnswerMetric(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  std::vector<Share> f1, exact;
  for (const Answer& answer : BestAnswers(outputs, samples)) {
    const Sample& sample = samples[answer.sequence];
    if (sample.window == nullptr) {
      f1.push_back({OverlapF1(answer, sample), 1});
    } else {
      const std::vector<std::string>& right = sample.window->question->answers;
      const std::string found = TextOf(answer, samples);
      f1.push_back({AnswerF1(found, right), 1});
      exact.push_back({IsExactly(found, right) ? 1.0 : 0.0, 1});
      continue;
    }
    exact.push_back({f1.back().hits == 1 ? 1.0 : 0.0, 1});
  }
  const auto lines = static_cast<int64_t>(f1.size());
  return {"f1", lines, ShareOnSubset(std::move(f1)), {{"exact_match", ShareOfAll(exact)}}};
}

LineMetric MaskedTokenMetric(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  std::vector<Share> hits = LabelledTokenHits(outputs, samples);
  std::vector<int64_t> labels;
  for (const Sample& sample : samples) {
    for (const double label : sample.labels) labels.push_back(static_cast<int64_t>(label));
  }
  // Some rows at a time: a vocabulary is wide.
  double nats = 0;
  constexpr int64_t kRows = 256;
  for (int64_t row = 0; row < outputs.size(0); row += kRows) {
    const int64_t rows = std::min(kRows, outputs.size(0) - row);
    const at::Tensor log_p = at::log_softmax(outputs.narrow(0, row, rows).to(at::kFloat), 1);
    const at::Tensor right =
        at::tensor(absl::MakeConstSpan(labels).subspan(row, rows), at::kLong).unsqueeze(1);
    nats -= log_p.gather(1, right).to(at::kDouble).sum().item<double>();
  }
  return {"masked_accuracy",
          static_cast<int64_t>(samples.size()),
          ShareOnSubset(std::move(hits)),
          {{"pseudo_perplexity", std::exp(nats / static_cast<double>(labels.size()))}}};
}

std::vector<int64_t> BestChoices(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const std::vector<int64_t> offsets = SoftmaxOffsets(Task::kMultipleChoice, samples);
  std::vector<int64_t> best;
  for (size_t line = 0; line + 1 < offsets.size(); ++line) {
    const at::Tensor of_line = outputs.narrow(0, offsets[line], offsets[line + 1] - offsets[line]);
    best.push_back(of_line.select(1, 0).argmax(0).item<int64_t>());
  }
  return best;
}

std::vector<bool> ChoiceHits(const at::Tensor& outputs, absl::Span<const Sample> samples) {
  const std::vector<int64_t> offsets = SoftmaxOffsets(Task::kMultipleChoice, samples);
  const std::vector<int64_t> best = BestChoices(outputs, samples);
  std::vector<bool> hits;
  for (size_t line = 0; line < best.size(); ++line)
    hits.push_back(best[line] == static_cast<int64_t>(samples[offsets[line]].labels[0]));
  return hits;
}

}  // namespace kprune
