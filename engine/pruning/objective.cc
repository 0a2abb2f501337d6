#include "engine/pruning/objective.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

namespace kprune {
namespace {

// A logit that no softmax sees, and that differs from itself by zero.
constexpr double kNoLogit = -1e30;

// One column of logits [R] as rows of their own, [G, S]: rows offsets[g] .. offsets[g + 1] - 1, then
// kNoLogit.
at::Tensor RowsOfSegments(const at::Tensor& logits_R, absl::Span<const int64_t> offsets) {
  const auto segments = static_cast<int64_t>(offsets.size()) - 1;
  int64_t longest = 0;
  for (int64_t g = 0; g < segments; ++g) longest = std::max(longest, offsets[g + 1] - offsets[g]);
  std::vector<int64_t> slots;
  for (int64_t g = 0; g < segments; ++g) {
    for (int64_t i = 0; i < offsets[g + 1] - offsets[g]; ++i) slots.push_back(g * longest + i);
  }
  return at::full({segments * longest}, kNoLogit, logits_R.options().requires_grad(false))
      .index_copy(0, at::tensor(slots, at::kLong).to(logits_R.device()), logits_R)
      .view({segments, longest});
}

// The logits of the task's softmaxes, [softmaxes, classes] each.
std::vector<at::Tensor> SoftmaxLogits(Task task, const at::Tensor& output_NC,
                                      absl::Span<const int64_t> offsets) {
  if (task != Task::kQuestionAnswering && task != Task::kMultipleChoice) return {output_NC};
  std::vector<at::Tensor> logits;
  for (int64_t column = 0; column < output_NC.size(1); ++column)
    logits.push_back(RowsOfSegments(output_NC.select(1, column), offsets));
  return logits;
}

// Columns l_j, j < C - 1, of a factor L with L L^T = diag(p) - p p^T, the covariance of one draw from p: for
// class j with what is left of the probability mass q_j = 1 - p_0 - ... - p_j,
//   L_jj = sqrt(p_j q_j / q_{j-1}),   L_ij = -p_i sqrt(p_j / (q_{j-1} q_j)) for i > j.
// Returns sum_n <l_j(n), logits(n)> for every j; p is a constant.
std::vector<at::Tensor> ExactMultinomialProbes(const at::Tensor& logits_NC, const at::Tensor& p_NC) {
  const int64_t classes = logits_NC.size(1);
  std::vector<at::Tensor> probes;
  for (int64_t j = 0; j + 1 < classes; ++j) {
    constexpr double kTiny = 1e-30;
    const at::Tensor p_j = p_NC.select(1, j);
    const at::Tensor rest = p_NC.narrow(1, j + 1, classes - j - 1);  // p_i, i > j
    const at::Tensor q_j = rest.sum(1);
    const at::Tensor q_before = (q_j + p_j).clamp_min(kTiny);
    // Written so that no factor exceeds one, whatever a certain prediction leaves of q.
    const at::Tensor share = (p_j / q_before).sqrt();
    const at::Tensor diagonal = share * q_j.sqrt();
    const at::Tensor below = (share / q_j.clamp_min(kTiny).sqrt()).unsqueeze(1) * rest;
    probes.push_back((diagonal * logits_NC.select(1, j)).sum() -
                     (below * logits_NC.narrow(1, j + 1, classes - j - 1)).sum());
  }
  return probes;
}

// gamma log p_y for labels y drawn from p; the mean over draws of its squared gradient is the Fisher
// information.
std::vector<at::Tensor> SampledMultinomialProbes(const at::Tensor& logits_NC, double temperature,
                                                 at::Generator& random) {
  const at::Tensor log_p = at::log_softmax(logits_NC / temperature, 1);
  const at::Tensor p_NC = at::softmax(logits_NC.detach() / temperature, 1);
  // The coins fall on the CPU, the same for every device; nothing waits for the device. [N, draws]
  const at::Tensor coins = at::rand({p_NC.size(0), kSampledProbes}, random, at::TensorOptions(at::kFloat))
                               .to(p_NC.device(), /*non_blocking=*/true);
  // Rounding may leave a coin above the last sum: it is the last class that is possible at all.
  const at::Tensor sums_NC = p_NC.cumsum(1);
  const at::Tensor labels = at::searchsorted(sums_NC, coins.minimum(sums_NC.narrow(1, p_NC.size(1) - 1, 1)));
  std::vector<at::Tensor> probes;
  for (int draw = 0; draw < kSampledProbes; ++draw) {
    const at::Tensor chosen = log_p.gather(1, labels.narrow(1, draw, 1));
    probes.push_back(chosen.sum() * (temperature / std::sqrt(static_cast<double>(kSampledProbes))));
  }
  return probes;
}

// Independent signs for every entry: products with them stand for a sum of squares over the columns, in
// expectation.
at::Tensor RandomSigns(const at::Tensor& like_NC, at::Generator& random) {
  const at::Tensor coins = at::randint(0, 2, like_NC.sizes(), random, at::TensorOptions(at::kFloat));
  return (coins * 2 - 1).to(like_NC.device(), /*non_blocking=*/true);
}

std::vector<at::Tensor> BernoulliProbes(const at::Tensor& logits_NC, double temperature,
                                        at::Generator& random) {
  const at::Tensor p = at::sigmoid(logits_NC.detach() / temperature);
  const at::Tensor weighted = (p * (1 - p)).sqrt() * logits_NC;  // gamma^2 and the two 1/gamma cancel
  std::vector<at::Tensor> probes;
  if (logits_NC.size(1) > kMaxExactClasses) {
    for (int draw = 0; draw < kSampledProbes; ++draw) {
      probes.push_back((RandomSigns(weighted, random) * weighted).sum() /
                       std::sqrt(static_cast<double>(kSampledProbes)));
    }
    return probes;
  }
  for (int64_t c = 0; c < logits_NC.size(1); ++c) probes.push_back(weighted.select(1, c).sum());
  return probes;
}

// Squared error: curvature 2 J^T J.
std::vector<at::Tensor> SquaredErrorProbes(const at::Tensor& output_NC, at::Generator& random) {
  const int64_t dimensions = output_NC.size(1);
  if (dimensions == 1) return {output_NC.sum() * std::sqrt(2.0)};
  std::vector<at::Tensor> probes;
  for (int i = 0; i < kEmbeddingProbes; ++i) {
    probes.push_back((RandomSigns(output_NC, random) * output_NC).sum() * std::sqrt(2.0 / kEmbeddingProbes));
  }
  return probes;
}

}  // namespace

std::vector<at::Tensor> FisherProbes(Task task, const at::Tensor& output_NC, double temperature,
                                     at::Generator& random, absl::Span<const int64_t> offsets) {
  switch (task) {
    case Task::kSingleLabel:
    case Task::kMultipleChoice: {
      const at::Tensor logits = SoftmaxLogits(task, output_NC, offsets)[0];
      if (logits.size(1) > kMaxExactClasses) return SampledMultinomialProbes(logits, temperature, random);
      return ExactMultinomialProbes(logits, at::softmax(logits.detach() / temperature, 1));
    }
    case Task::kTokenClassification:
    case Task::kMaskedLm:
      return SampledMultinomialProbes(output_NC, temperature, random);
    case Task::kQuestionAnswering: {
      const std::vector<at::Tensor> logits = SoftmaxLogits(task, output_NC, offsets);
      std::vector<at::Tensor> probes = SampledMultinomialProbes(logits[0], temperature, random);
      const std::vector<at::Tensor> ends = SampledMultinomialProbes(logits[1], temperature, random);
      for (size_t p = 0; p < probes.size(); ++p) probes[p] = probes[p] + ends[p];
      return probes;
    }
    case Task::kMultiLabel:
      return BernoulliProbes(output_NC, temperature, random);
    case Task::kRegression:
    case Task::kEmbedding:
      break;
  }
  return SquaredErrorProbes(output_NC, random);
}

int NumFisherProbes(Task task, int64_t outputs) {
  const bool exact = outputs <= kMaxExactClasses;
  switch (task) {
    case Task::kSingleLabel:
      return exact ? static_cast<int>(outputs) - 1 : kSampledProbes;
    case Task::kMultiLabel:
      return exact ? static_cast<int>(outputs) : kSampledProbes;
    case Task::kTokenClassification:
    case Task::kQuestionAnswering:
    case Task::kMaskedLm:
      return kSampledProbes;
    case Task::kMultipleChoice:
      return kUsualChoices - 1;
    case Task::kRegression:
    case Task::kEmbedding:
      break;
  }
  return outputs == 1 ? 1 : kEmbeddingProbes;
}

at::Tensor DistillationLoss(Task task, const at::Tensor& output_NC, const at::Tensor& teacher_NC,
                            double temperature, absl::Span<const int64_t> offsets) {
  const double gamma2 = temperature * temperature;
  if (task == Task::kMultiLabel) {
    const at::Tensor log_yes = at::log_sigmoid(output_NC / temperature),
                     log_no = at::log_sigmoid(-output_NC / temperature);
    const at::Tensor yes = at::log_sigmoid(teacher_NC / temperature),
                     no = at::log_sigmoid(-teacher_NC / temperature);
    return (yes.exp() * (yes - log_yes) + no.exp() * (no - log_no)).sum() * gamma2;
  }
  if (!HasClasses(task)) return (output_NC - teacher_NC).square().sum();
  const std::vector<at::Tensor> students = SoftmaxLogits(task, output_NC, offsets),
                                teachers = SoftmaxLogits(task, teacher_NC, offsets);
  at::Tensor loss;
  for (size_t i = 0; i < students.size(); ++i) {
    const at::Tensor log_student = at::log_softmax(students[i] / temperature, 1);
    const at::Tensor log_teacher = at::log_softmax(teachers[i] / temperature, 1);
    const at::Tensor divergence = (log_teacher.exp() * (log_teacher - log_student)).sum() * gamma2;
    loss = loss.defined() ? loss + divergence : divergence;
  }
  return loss;
}

}  // namespace kprune
