#include "engine/distillation/distillation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/data/shuffle.h"
#include "engine/data/variants.h"
#include "engine/distillation/adamw.h"
#include "engine/distillation/differentiable.h"
#include "engine/model/output_rows.h"
#include "engine/model/tensor_conversion.h"
#include "engine/pruning/objective.h"

namespace kprune {
namespace {

constexpr double kWarmUp = 0.05, kLeastRate = 0.02;  // shares of the steps and of the learning rate
constexpr double kMostGradientNorm = 1;
constexpr size_t kVarianceSamples = 256;
constexpr size_t kSteps = 8;  // whose samples are sorted by length together, so that little is padded

// What the student is to give.
struct Target {
  at::Tensor output_NC;
  std::vector<at::Tensor> layers_Td;  // behind every layer
};

Target RunTeacher(const Encoder& teacher, const Batch& batch) {
  Target target;
  at::Tensor x_Td = teacher.Embed(batch);
  for (int t = 0; t < teacher.num_sublayers(); ++t) {
    x_Td = teacher.Forward(t, x_Td, batch);
    if (t % 2 == 1) target.layers_Td.push_back(x_Td);
  }
  target.output_NC = teacher.Output(x_Td, batch);
  return target;
}

// Variances that errors are relative to.
struct Scales {
  std::vector<double> layers;  // of the hidden states of a sequence around their mean, over tokens
  double output = 0;           // of the outputs over samples
};

Scales MeasureScales(const Encoder& teacher, absl::Span<const Sample> samples) {
  const std::vector<Batch> batches = MakeBatches(samples.subspan(0, kVarianceSamples), kAnyNumber, "length",
                                                 teacher.device(), /*max_tokens=*/1024);
  std::vector<at::Tensor> sums(teacher.num_sublayers() / 2), outputs;
  double sequences = 0;
  for (const Batch& batch : batches) {
    const Target target = RunTeacher(teacher, batch);
    if (!HasClasses(teacher.config.task)) outputs.push_back(target.output_NC);
    sequences += static_cast<double>(batch.size());
    for (size_t l = 0; l < sums.size(); ++l) {
      at::Tensor& sum = sums[l];
      if (!sum.defined()) sum = at::zeros({}, target.layers_Td[l].options().dtype(at::kDouble));
      for (int64_t n = 0; n < batch.size(); ++n) {
        const at::Tensor rows =
            target.layers_Td[l].narrow(0, batch.offsets[n], batch.offsets[n + 1] - batch.offsets[n]);
        sum += rows.var(0, /*unbiased=*/false).mean();
      }
    }
  }
  constexpr double kLeast = 1e-12;
  Scales scales;
  for (const at::Tensor& sum : sums)
    scales.layers.push_back(std::max(kLeast, sum.item<double>() / sequences));
  if (!outputs.empty())
    scales.output = std::max(kLeast, at::cat(outputs).var(0, /*unbiased=*/false).mean().item<double>());
  return scales;
}

// The samples of one step after another: each sample once a round, with new variants.
class Schedule {
 public:
  Schedule(absl::Span<const Sample> samples, const DistillationOptions& options)
      : own_(samples),
        options_(options),
        sequences_(static_cast<size_t>(options.sequences)),
        random_(options.seed) {}

  std::vector<Sample> Next() {
    if (queue_.empty()) Refill();
    std::vector<Sample> chosen;
    for (size_t i : queue_.back()) {
      do chosen.push_back(samples_[i++]);
      while (i < samples_.size() && samples_[i].choice > 0);
    }
    queue_.pop_back();
    return chosen;
  }

 private:
  void Refill() {
    // Seeds that no other use of this job's seed has.
    samples_ = WithVariants(own_, options_.variants, options_.seed + 0x9e3779b9u * ++rounds_);
    std::vector<size_t> order;  // the first of several choices stands for all
    for (size_t i = 0; i < samples_.size(); ++i) {
      if (samples_[i].choice == 0) order.push_back(i);
    }
    Shuffle(random_, order);
    for (size_t begin = 0; begin < order.size(); begin += kSteps * sequences_) {
      const size_t end = std::min(order.size(), begin + kSteps * sequences_);
      std::stable_sort(order.begin() + static_cast<int64_t>(begin), order.begin() + static_cast<int64_t>(end),
                       [&](size_t a, size_t b) { return samples_[a].tokens() < samples_[b].tokens(); });
    }
    for (size_t begin = 0; begin < order.size(); begin += sequences_) {
      const size_t end = std::min(order.size(), begin + sequences_);
      queue_.emplace_back(order.begin() + static_cast<int64_t>(begin),
                          order.begin() + static_cast<int64_t>(end));
    }
    Shuffle(random_, queue_);
  }

  const absl::Span<const Sample> own_;
  const DistillationOptions& options_;
  const size_t sequences_;
  uint32_t rounds_ = 0;
  std::vector<Sample> samples_;  // of the round
  std::mt19937_64 random_;
  std::vector<std::vector<size_t>> queue_;
};

class Distillation {
 public:
  Distillation(const Encoder& teacher, const Encoder& student, const DistillationOptions& options,
               Scales scales)
      : teacher_(teacher), student_(student), options_(options), scales_(std::move(scales)) {
    for (const int t : student_.config.OwnSublayers()) {
      Sublayer sublayer = student_.sublayers[t];
      for (at::Tensor* tensor : TensorsOf(sublayer)) {
        *tensor = tensor->clone().requires_grad_(true);
        weights_.push_back(*tensor);
      }
      student_.Put(t, sublayer);
    }
  }

  absl::StatusOr<Encoder> Run(absl::Span<const Sample> samples, const std::function<bool(double)>& progress) {
    AdamW optimizer(weights_, options_.weight_decay);
    Schedule schedule(samples, options_);
    for (int step = 0; step < options_.steps; ++step) {
      if (!progress(static_cast<double>(step) / options_.steps))
        return absl::CancelledError("the job was cancelled");
      const std::vector<Sample> chosen = schedule.Next();
      const Batch batch = MakeBatches(chosen, kAnyNumber, "length", teacher_.device())[0];
      const Target target = RunTeacher(teacher_, batch);
      std::vector<at::Tensor> gradients;
      {
        c10::AutoGradMode grad_mode(true);
        gradients = torch::autograd::grad({Loss(batch, target)}, weights_);
      }
      optimizer.Step(std::move(gradients), options_.learning_rate * RateAt(step), kMostGradientNorm);
    }
    return Finished();
  }

 private:
  // The weights that are trained, projections of an empty sublayer left out.
  std::vector<at::Tensor*> TensorsOf(Sublayer& sublayer) const {
    std::vector<at::Tensor*> tensors = {&sublayer.out.bias};
    // A norm of the input of a sublayer without units is not read.
    if (sublayer.norm.weight.defined() && (!sublayer.norm_first || sublayer.num_units() > 0))
      tensors.push_back(&sublayer.norm.weight);
    // Checkpoints of some families have no place for it.
    if (tensors.size() > 1 && student_.config.biases.norm) tensors.push_back(&sublayer.norm.bias);
    if (sublayer.num_units() > 0)
      tensors.insert(tensors.end(), {&sublayer.in.weight, &sublayer.in.bias, &sublayer.out.weight});
    return tensors;
  }

  double RateAt(int step) const {
    const double done = static_cast<double>(step) / options_.steps;
    const double warm_up = (step + 1) / std::max(1.0, kWarmUp * options_.steps);
    return std::min(1.0, warm_up) * std::max(kLeastRate, 0.5 * (1 + std::cos(std::numbers::pi * done)));
  }

  at::Tensor Loss(const Batch& batch, const Target& target) const {
    const int layers = student_.num_sublayers() / 2;
    at::Tensor x_Td = student_.Embed(batch), loss = at::zeros({}, x_Td.options());
    for (int t = 0; t < student_.num_sublayers(); ++t) {
      x_Td = DifferentiableForward(student_, t, x_Td, batch);
      if (t % 2 == 0) continue;
      const int l = t / 2;
      loss = loss + (x_Td - target.layers_Td[l]).square().mean() / (scales_.layers[l] * layers);
    }
    const Task task = student_.config.task;
    const at::Tensor output_NC = student_.Output(x_Td, batch);
    // Of a sample, or of a token's distribution.
    const bool of_tokens = HasTokenOutputs(task) && task != Task::kQuestionAnswering;
    double scale = static_cast<double>(of_tokens ? output_NC.size(0) : batch.num_samples());
    if (!HasClasses(task)) scale *= scales_.output * static_cast<double>(output_NC.size(1));
    return loss + DistillationLoss(task, output_NC, target.output_NC, options_.temperature,
                                   SoftmaxOffsets(task, batch)) /
                      scale;
  }

  // As the checkpoint will store it.
  absl::StatusOr<Encoder> Finished() {
    for (const int t : student_.config.OwnSublayers()) {
      Sublayer sublayer = student_.sublayers[t];
      for (at::Tensor* tensor : TensorsOf(sublayer)) {
        const at::Tensor trained = tensor->detach();
        if (!std::isfinite(trained.sum().item<double>())) {
          return absl::InternalError(absl::StrCat("distillation made the weights of sublayer ", t,
                                                  " infinite; prune with fewer steps of it, or none"));
        }
        *tensor = RoundedToCheckpoint(trained, sublayer.stored_type);
      }
      student_.Put(t, sublayer);
    }
    return student_;
  }

  const Encoder& teacher_;
  Encoder student_;
  const DistillationOptions& options_;
  const Scales scales_;
  std::vector<at::Tensor> weights_;
};

}  // namespace

absl::StatusOr<Encoder> Distill(const Encoder& teacher, const Encoder& student,
                                absl::Span<const Sample> samples, const DistillationOptions& options,
                                const std::function<bool(double)>& progress) {
  c10::NoGradGuard no_grad;
  return Distillation(teacher, student, options, MeasureScales(teacher, samples)).Run(samples, progress);
}

}  // namespace kprune
