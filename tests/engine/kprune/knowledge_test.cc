#include "engine/kprune/knowledge.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <functional>

#include "engine/pruning/objective.h"
#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

constexpr double kStep = 1e-4;

Encoder InDouble(Encoder encoder) {
  const auto convert = [](at::Tensor& tensor) {
    if (tensor.defined()) tensor = tensor.to(at::kDouble);
  };
  for (at::Tensor* tensor :
       {&encoder.word_embeddings, &encoder.position_embeddings, &encoder.embeddings_norm.weight,
        &encoder.embeddings_norm.bias, &encoder.head_dense.weight, &encoder.head_dense.bias,
        &encoder.head_output.weight, &encoder.head_output.bias}) {
    convert(*tensor);
  }
  for (Sublayer& s : encoder.sublayers) {
    for (at::Tensor* tensor :
         {&s.in.weight, &s.in.bias, &s.out.weight, &s.out.bias, &s.norm.weight, &s.norm.bias})
      convert(*tensor);
  }
  return encoder;
}

// The slow twin: the model from the embeddings, one sequence at a time in float64, with a mask on every
// feature of sublayer `masked`, wherever it is applied.
at::Tensor RunMasked(const Encoder& encoder, const Sample& sample, int masked, const at::Tensor& mask_U) {
  const Batch batch = MakeBatches({&sample, 1}, 1, "file", at::kCPU)[0];
  at::Tensor x = encoder.Embed(batch);
  for (int s = 0; s < encoder.num_sublayers(); ++s) {
    at::Tensor z = encoder.Features(s, x, batch);
    if (encoder.config.PlacesOf(s).front() == masked) z = z * mask_U;
    x = encoder.Norm(s, encoder.PreNorm(s, x, z));
  }
  return encoder.Output(x, batch);
}

// d/dm of a function of the output, m the mask of the features [begin, begin + width), by central
// differences.
at::Tensor MaskDerivative(const Encoder& encoder, const Sample& sample, int s, int64_t begin, int64_t width,
                          const std::function<at::Tensor(const at::Tensor&)>& function) {
  const int64_t features = encoder.sublayers[s].num_features();
  at::Tensor up = at::ones({features}, at::kDouble), down = at::ones({features}, at::kDouble);
  up.narrow(0, begin, width).add_(kStep);
  down.narrow(0, begin, width).sub_(kStep);
  return (function(RunMasked(encoder, sample, s, up)) - function(RunMasked(encoder, sample, s, down))) /
         (2 * kStep);
}

// 1/2 J^T F J / N over the samples, F the curvature of gamma^2 KL (or of the squared error) in the outputs.
double SlowFisher(const Encoder& encoder, absl::Span<const Sample> samples, int s, int64_t begin,
                  int64_t width, double gamma) {
  const auto identity = [](const at::Tensor& output) { return output.select(0, 0); };
  const at::Tensor ones = at::ones({encoder.sublayers[s].num_features()}, at::kDouble);
  double sum = 0;
  for (const Sample& sample : samples) {
    const at::Tensor j = MaskDerivative(encoder, sample, s, begin, width, identity);
    const at::Tensor p = at::softmax(identity(RunMasked(encoder, sample, s, ones)) / gamma, 0);
    const at::Tensor fisher = encoder.config.task == Task::kRegression ? 2 * at::eye(j.size(0), at::kDouble)
                                                                       : p.diag() - at::outer(p, p);
    sum += 0.5 * j.dot(fisher.mv(j)).item<double>();
  }
  return sum / static_cast<double>(samples.size());
}

std::vector<UnitKnowledge> MeasureFast(const Encoder& encoder, int first, absl::Span<const Batch> batches,
                                       const Options& options, const Encoder* teacher = nullptr) {
  c10::NoGradGuard no_grad;
  at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
  int64_t largest = 0;
  for (const Batch& batch : batches) largest = std::max(largest, batch.tokens());
  std::vector<int> measured = encoder.config.OwnSublayers();
  std::erase_if(measured, [&](int s) { return s < first; });
  KnowledgeAccumulator knowledge(encoder, first, measured, options, largest,
                                 PassFactorsOf(encoder, first, /*packed=*/false));
  for (const Batch& batch : batches) {
    at::Tensor x = encoder.Embed(batch);
    for (int s = 0; s < first; ++s) x = encoder.Forward(s, x, batch);
    knowledge.Add(batch, x, teacher == nullptr ? at::Tensor() : teacher->Run(batch), random);
  }
  return knowledge.Result();
}

void ExpectClose(double fast, double slow, int s, int64_t unit) {
  EXPECT_NEAR(fast, slow, 2e-3 * std::abs(slow) + 1e-7) << "sublayer " << s << ", unit " << unit;
}

class KnowledgeTest : public ::testing::TestWithParam<Task> {
 protected:
  const Encoder encoder_ =
      testing::RandomEncoder({.task = GetParam(), .labels = GetParam() == Task::kRegression ? 1 : 3});
  const std::vector<Sample> samples_ = testing::RandomSamples(7);
  const std::vector<Batch> batches_ = MakeBatches(samples_, 3, "length", at::kCPU);
};

TEST_P(KnowledgeTest, PredictiveKnowledgeIsHalfTheFisherInformationOfEachMask) {
  const Encoder slow = InDouble(encoder_);
  constexpr int kFirst = 1;
  const auto knowledge = MeasureFast(encoder_, kFirst, batches_, {});
  ASSERT_EQ(knowledge.size(), 3u);
  for (int s = kFirst; s < encoder_.num_sublayers(); ++s) {
    const int64_t width = encoder_.sublayers[s].unit_width;
    for (int64_t unit = 0; unit < encoder_.sublayers[s].num_units(); ++unit) {
      ExpectClose(knowledge[s - kFirst].predictive[unit],
                  SlowFisher(slow, samples_, s, unit * width, width, 2), s, unit);
    }
  }
}

TEST_P(KnowledgeTest, WhatSeveralMeasureAddsUp) {
  const auto add = [&](KnowledgeAccumulator& knowledge, const Batch& batch) {
    const c10::NoGradGuard no_grad;
    at::Generator random = at::make_generator<at::CPUGeneratorImpl>(0);
    knowledge.Add(batch, encoder_.Embed(batch), {}, random);
  };
  const auto make = [&](bool packed) {
    return KnowledgeAccumulator(encoder_, 0, encoder_.config.OwnSublayers(), {}, 100,
                                PassFactorsOf(encoder_, 0, packed));
  };
  KnowledgeAccumulator one = make(false), first = make(true), second = make(true);
  ASSERT_GE(batches_.size(), 3u);
  for (size_t k = 0; k < batches_.size(); ++k) {
    add(one, batches_[k]);
    add(k % 2 == 0 ? first : second, batches_[k]);
  }
  first.Add(second);
  const std::vector<UnitKnowledge> expected = one.Result(), found = first.Result();
  for (size_t s = 0; s < expected.size(); ++s) {
    for (size_t u = 0; u < expected[s].predictive.size(); ++u) {
      EXPECT_NEAR(found[s].predictive[u], expected[s].predictive[u], 1e-12 * expected[s].predictive[u]);
      EXPECT_NEAR(found[s].representational[u], expected[s].representational[u],
                  1e-12 * expected[s].representational[u]);
    }
  }
}

TEST_P(KnowledgeTest, AUnitThatAllLayersShareHasOneMask) {
  const Encoder shared = testing::SharingLayers(encoder_), slow = InDouble(shared);
  const auto knowledge = MeasureFast(shared, 0, batches_, {}), apart = MeasureFast(encoder_, 0, batches_, {});
  ASSERT_EQ(knowledge.size(), 2u);
  for (int s = 0; s < 2; ++s) {
    const int64_t width = shared.sublayers[s].unit_width;
    for (int64_t unit = 0; unit < shared.sublayers[s].num_units(); ++unit) {
      ExpectClose(knowledge[s].predictive[unit], SlowFisher(slow, samples_, s, unit * width, width, 2), s,
                  unit);
      EXPECT_GT(knowledge[s].representational[unit], apart[s].representational[unit]) << "of both layers";
    }
  }
}

TEST_P(KnowledgeTest, RepresentationalKnowledgeIsWhatEachUnitAddsToTheOutput) {
  const auto knowledge = MeasureFast(encoder_, 0, batches_, {});
  double tokens = 0;
  std::vector<at::Tensor> x;
  for (const Batch& batch : batches_) {
    tokens += static_cast<double>(batch.tokens());
    x.push_back(encoder_.Embed(batch));
  }
  for (int s = 0; s < encoder_.num_sublayers(); ++s) {
    const int64_t width = encoder_.sublayers[s].unit_width;
    for (int64_t unit = 0; unit < encoder_.sublayers[s].num_units(); ++unit) {
      double squared = 0;
      for (size_t k = 0; k < batches_.size(); ++k) {
        const at::Tensor z = encoder_.Features(s, x[k], batches_[k]).narrow(1, unit * width, width);
        const at::Tensor u = z.mm(encoder_.sublayers[s].out.weight.narrow(1, unit * width, width).t());
        squared += u.square().sum().item<double>();
      }
      ExpectClose(knowledge[s].representational[unit], squared / tokens, s, unit);
    }
    for (size_t k = 0; k < batches_.size(); ++k) x[k] = encoder_.Forward(s, x[k], batches_[k]);
  }
}

TEST_P(KnowledgeTest, PaperCodeScoringTakesFeaturesApart) {
  const Encoder slow = InDouble(encoder_);
  const auto knowledge = MeasureFast(encoder_, 2, batches_, {.scoring = "paper-code"});
  const int64_t width = encoder_.sublayers[2].unit_width;
  for (int64_t unit = 0; unit < encoder_.sublayers[2].num_units(); ++unit) {
    double mean = 0;
    for (int64_t f = 0; f < width; ++f)
      mean += SlowFisher(slow, samples_, 2, unit * width + f, 1, 2) / static_cast<double>(width);
    ExpectClose(knowledge[0].predictive[unit], mean, 2, unit);
  }
}

TEST_P(KnowledgeTest, KlGradientSquaresTheMeanGradientOfEachBatch) {
  const Encoder slow = InDouble(encoder_);
  const Encoder teacher =
      testing::RandomEncoder({.task = GetParam(), .labels = encoder_.config.num_labels, .seed = 9});
  const Encoder slow_teacher = InDouble(teacher);
  const auto knowledge = MeasureFast(encoder_, 3, batches_, {.predictive = "kl-gradient"}, &teacher);
  const at::Tensor ones = at::ones({teacher.sublayers[3].num_features()}, at::kDouble);
  for (int64_t unit = 0; unit < encoder_.sublayers[3].num_units(); ++unit) {
    double sum = 0;
    for (const Batch& batch : batches_) {
      double gradient = 0;
      for (int64_t n : batch.samples) {
        const at::Tensor target = RunMasked(slow_teacher, samples_[n], 3, ones);
        const auto loss = [&](const at::Tensor& output) {
          return DistillationLoss(GetParam(), output, target, 2);
        };
        gradient += MaskDerivative(slow, samples_[n], 3, unit, 1, loss).item<double>();
      }
      const double mean = gradient / static_cast<double>(batch.size());
      sum += 0.5 * mean * mean;
    }
    ExpectClose(knowledge[0].predictive[unit], sum / static_cast<double>(samples_.size()), 3, unit);
  }
}

TEST_P(KnowledgeTest, CuttingAGroupIntoBatchesChangesNothing) {
  for (const char* predictive : {"fisher", "kl-gradient"}) {
    const Options options{.predictive = predictive};
    const Encoder teacher =
        testing::RandomEncoder({.task = GetParam(), .labels = encoder_.config.num_labels, .seed = 9});
    const auto whole = MeasureFast(encoder_, 0, batches_, options, &teacher);
    const std::vector<Batch> cut = MakeBatches(samples_, 3, "length", at::kCPU, /*max_tokens=*/9);
    ASSERT_GT(cut.size(), batches_.size());
    const auto parts = MeasureFast(encoder_, 0, cut, options, &teacher);
    for (size_t s = 0; s < whole.size(); ++s) {
      for (size_t u = 0; u < whole[s].predictive.size(); ++u) {
        EXPECT_NEAR(parts[s].predictive[u], whole[s].predictive[u], 1e-4 * whole[s].predictive[u] + 1e-9);
        EXPECT_NEAR(parts[s].representational[u], whole[s].representational[u],
                    1e-5 * whole[s].representational[u]);
      }
    }
  }
}

// Choices of one sample: sequences 2i and 2i + 1.
std::vector<Sample> RandomChoices(int samples) {
  std::vector<Sample> sequences = testing::RandomSamples(2 * samples);
  for (size_t i = 0; i < sequences.size(); ++i) sequences[i].choice = static_cast<int32_t>(i % 2);
  return sequences;
}

TEST(KnowledgeOfChoicesTest, AMaskIsOneForAllChoicesOfASample) {
  const Encoder encoder = testing::RandomEncoder({.task = Task::kMultipleChoice, .labels = 1});
  const Encoder slow = InDouble(encoder);
  const std::vector<Sample> sequences = RandomChoices(3);
  Options options;
  options.predictive = "fisher";
  const int s = 1;
  const auto fast =
      MeasureFast(encoder, 0, MakeBatches(sequences, kAnyNumber, "length", at::kCPU, 40), options);
  for (int64_t unit = 0; unit < encoder.sublayers[s].num_units(); ++unit) {
    double sum = 0;
    for (size_t i = 0; i < sequences.size(); i += 2) {
      at::Tensor j = at::zeros({2}, at::kDouble), outputs = j.clone();
      const at::Tensor ones = at::ones({encoder.sublayers[s].num_features()}, at::kDouble);
      for (int64_t c = 0; c < 2; ++c) {
        const auto first = [](const at::Tensor& output) { return output.select(0, 0).select(0, 0); };
        j[c] = MaskDerivative(slow, sequences[i + c], s, unit, 1, first);
        outputs[c] = first(RunMasked(slow, sequences[i + c], s, ones));
      }
      const at::Tensor p = at::softmax(outputs / options.temperature, 0);
      sum += 0.5 * j.dot((p.diag() - at::outer(p, p)).mv(j)).item<double>();
    }
    ExpectClose(fast[s].predictive[unit], sum / 3, s, unit);
  }
}

TEST(KnowledgeOfTokensTest, IsTheSumOverTheTokensThatCount) {
  const Encoder encoder = testing::RandomEncoder({.task = Task::kTokenClassification});
  const Encoder slow = InDouble(encoder);
  Sample sample = testing::RandomSamples(1)[0];
  sample.positions = {0, 2};
  Options options;
  options.predictive = "fisher";
  const int s = 1;
  // Labels are drawn anew every time.
  const Batch batch = MakeBatches({&sample, 1}, 1, "file", at::kCPU)[0];
  const auto fast = MeasureFast(encoder, 0, std::vector<Batch>(600, batch), options);
  const at::Tensor ones = at::ones({encoder.sublayers[s].num_features()}, at::kDouble);
  for (int64_t unit = 0; unit < encoder.sublayers[s].num_units(); ++unit) {
    double sum = 0;
    for (int64_t row = 0; row < 2; ++row) {
      const auto of_row = [&](const at::Tensor& output) { return output[row]; };
      const at::Tensor j = MaskDerivative(slow, sample, s, unit, 1, of_row);
      const at::Tensor p = at::softmax(of_row(RunMasked(slow, sample, s, ones)) / options.temperature, 0);
      sum += 0.5 * j.dot((p.diag() - at::outer(p, p)).mv(j)).item<double>();
    }
    EXPECT_NEAR(fast[s].predictive[unit], sum, 0.2 * sum) << unit;
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, KnowledgeTest, ::testing::Values(Task::kSingleLabel, Task::kRegression));

TEST(KnowledgeAccumulatorTest, NoWeightGetsAGradient) {
  const Encoder encoder = testing::RandomEncoder();
  const std::vector<Sample> samples = testing::RandomSamples(4);
  MeasureFast(encoder, 0, MakeBatches(samples, 4, "file", at::kCPU), {});
  for (const Sublayer& sublayer : encoder.sublayers) {
    EXPECT_FALSE(sublayer.in.weight.requires_grad() || sublayer.in.weight.grad().defined());
    EXPECT_FALSE(sublayer.out.weight.requires_grad() || sublayer.out.weight.grad().defined());
  }
}

TEST(KnowledgeAccumulatorTest, EmptySublayersHaveNoKnowledgeAndStopNothing) {
  Encoder encoder = testing::RandomEncoder();
  for (int t : {0, 3}) encoder.Keep(t, {});
  const std::vector<Sample> samples = testing::RandomSamples(5);
  const auto knowledge = MeasureFast(encoder, 0, MakeBatches(samples, 2, "file", at::kCPU), {});
  EXPECT_TRUE(knowledge[0].predictive.empty() && knowledge[3].representational.empty());
  ASSERT_EQ(knowledge[1].predictive.size(), 10u);
  for (double k : knowledge[1].predictive) EXPECT_GT(k, 0);
}

}  // namespace
}  // namespace kprune
