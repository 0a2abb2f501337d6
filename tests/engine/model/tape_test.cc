#include "engine/model/tape.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>
#include <tuple>

#include "tests/engine/model/compute_device.h"
#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

struct Gradients {
  std::map<int, at::Tensor> masks;    // of sublayers with units
  std::map<int, at::Tensor> outputs;  // before the norm, of all tokens
};

// The slow twin: autograd through the encoder's mathematics, padded and plain, in float64.
Gradients AutogradGradients(const Encoder& encoder, int first, const Batch& batch, const at::Tensor& x_Td,
                            const at::Tensor& gradient) {
  c10::AutoGradMode grad_mode(true);
  at::Tensor x = x_Td.to(at::kCPU, at::kDouble);
  std::map<int, at::Tensor> masks, outputs;
  std::vector<at::Tensor> leaves;
  const auto wide = [](const at::Tensor& t) { return t.to(at::kCPU, at::kDouble); };
  for (int s = first; s < encoder.num_sublayers(); ++s) {
    const Sublayer& sublayer = encoder.sublayers[s];
    at::Tensor branch = wide(sublayer.out.bias).expand_as(x);
    if (sublayer.num_units() > 0) {
      const at::Tensor h = at::linear(x, wide(sublayer.in.weight), wide(sublayer.in.bias));
      at::Tensor z;
      if (sublayer.kind == SublayerKind::kFeedForward) {
        z = at::gelu(h);
      } else {
        std::vector<at::Tensor> sequences;
        for (int64_t n = 0; n < batch.size(); ++n) {
          const int64_t length = batch.offsets[n + 1] - batch.offsets[n];
          const at::Tensor split = h.narrow(0, batch.offsets[n], length)
                                       .view({length, 3, sublayer.num_units(), sublayer.unit_width})
                                       .permute({1, 2, 0, 3});
          const at::Tensor scores = at::softmax(
              split[0].matmul(split[1].transpose(1, 2)) / std::sqrt(1.0 * sublayer.unit_width), 2);
          sequences.push_back(
              scores.matmul(split[2]).transpose(0, 1).reshape({length, sublayer.num_features()}));
        }
        z = at::cat(sequences);
      }
      // One mask a sequence and feature.
      masks[s] = at::ones({batch.size(), sublayer.num_features()}, at::kDouble).requires_grad_(true);
      leaves.push_back(masks[s]);
      std::vector<at::Tensor> rows;
      for (int64_t n = 0; n < batch.size(); ++n) {
        const int64_t length = batch.offsets[n + 1] - batch.offsets[n];
        rows.push_back(z.narrow(0, batch.offsets[n], length) * masks[s].narrow(0, n, 1));
      }
      branch = at::linear(at::cat(rows), wide(sublayer.out.weight), wide(sublayer.out.bias));
    }
    // Nothing, added to the output.
    outputs[s] = at::zeros_like(x).requires_grad_(true);
    leaves.push_back(outputs[s]);
    x = at::layer_norm(x + branch + outputs[s], {x.size(1)}, wide(sublayer.norm.weight),
                       wide(sublayer.norm.bias), 1e-12);
  }
  const at::Tensor read =
      encoder.reads_first_tokens()
          ? x.index_select(0, wide(batch.offsets_device.narrow(0, 0, batch.size())).to(at::kLong))
          : x;
  const auto gradients = torch::autograd::grad({read}, leaves, {gradient.to(at::kCPU, at::kDouble)});
  size_t i = 0;
  for (auto& [s, output] : outputs) {
    if (masks.contains(s)) masks[s] = gradients[i++];
    output = gradients[i++];
  }
  return {masks, outputs};
}

using Case = std::tuple<Task, at::ScalarType, int>;  // task, compute type, first sublayer

class TapeTest : public ::testing::TestWithParam<Case> {
 protected:
  // Runs forward and backward and compares every mask's gradient.
  void ExpectGradients(const Encoder& on_cpu, int first) {
    c10::NoGradGuard no_grad;
    const Encoder encoder = testing::MovedTo(testing::ComputeDevice(), on_cpu);
    const auto [task, type, unused] = GetParam();
    const Batch batch = MakeBatches(samples_, kAnyNumber, "file", testing::ComputeDevice())[0];
    at::Tensor x = encoder.Embed(batch);
    for (int s = 0; s < first; ++s) x = encoder.Forward(s, x, batch);
    const Encoder compute = encoder.WithComputeType(type);
    Tape tape(compute, first, batch.tokens() + 5);
    for (int repeat = 0; repeat < 2; ++repeat) {  // buffers are used again
      const at::Tensor out = tape.Forward(batch, x, /*squares=*/true);
      for (int s = first | 1; s < compute.num_sublayers(); s += 2) {
        const at::Tensor expected = tape.features(s).to(at::kDouble).square().sum(0);
        EXPECT_TRUE(at::allclose(tape.feature_squares(s).to(at::kDouble), expected, 1e-2, 1e-6)) << s;
      }
      const at::Tensor gradient = at::randn(out.sizes(), at::kFloat).to(out.device());
      const Gradients expected = AutogradGradients(encoder, first, batch, x, gradient);
      const double bound = type == at::kBFloat16 ? 0.05 : 2e-5;
      std::vector<int> masks, outputs;
      const auto expect = [&](const at::Tensor& found, const at::Tensor& slow) {
        const double error = (found.to(at::kCPU, at::kDouble) - slow).norm().item<double>();
        EXPECT_LE(error, bound * slow.norm().item<double>() + 1e-9);
      };
      const auto on_masks = [&](int s, const at::Tensor& found) {
        SCOPED_TRACE(s);
        masks.push_back(s);
        expect(found, expected.masks.at(s));
      };
      const auto on_outputs = [&](int s, const at::Tensor& found) {
        SCOPED_TRACE(s);
        outputs.push_back(s);
        const at::Tensor& slow = expected.outputs.at(s);
        if (found.size(0) == batch.tokens()) return expect(found, slow);
        const at::Tensor first_tokens = batch.offsets_device.narrow(0, 0, batch.size()).to(at::kCPU);
        expect(found, slow.index_select(0, first_tokens));
        EXPECT_EQ(slow.index_fill(0, first_tokens, 0).abs().max().item<double>(), 0) << "of the other tokens";
      };
      // Backward again and again after one forward, for either and for both.
      tape.Backward(gradient, {.masks = on_masks});
      tape.Backward(gradient, {.outputs = on_outputs});
      EXPECT_EQ(masks.size(), expected.masks.size());
      EXPECT_EQ(outputs.size(), expected.outputs.size());
      tape.Backward(gradient, {on_masks, on_outputs});
      EXPECT_EQ(masks.size(), 2 * expected.masks.size());
      EXPECT_EQ(outputs.size(), 2 * expected.outputs.size());
      EXPECT_TRUE(
          std::is_sorted(outputs.rbegin() + static_cast<int64_t>(expected.outputs.size()), outputs.rend()))
          << "from the top down";
    }
  }

  const std::vector<Sample> samples_ = testing::RandomSamples(5);
};

TEST_P(TapeTest, GivesTheGradientOfEveryMask) {
  const auto [task, type, first] = GetParam();
  ExpectGradients(testing::RandomEncoder({.task = task, .hidden = 24, .heads = 4, .neurons = 20}), first);
}

TEST_P(TapeTest, EmptySublayersPassTheGradientOn) {
  const auto [task, type, first] = GetParam();
  for (int empty = first; empty < 4; ++empty) {
    SCOPED_TRACE(empty);
    Encoder encoder = testing::RandomEncoder({.task = task, .hidden = 24, .heads = 4, .neurons = 20});
    encoder.Keep(empty, {});
    ExpectGradients(encoder, first);
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, TapeTest,
                         ::testing::Combine(::testing::Values(Task::kSingleLabel, Task::kEmbedding),
                                            ::testing::Values(at::kFloat, at::kBFloat16),
                                            ::testing::Range(0, 4)));

}  // namespace
}  // namespace kprune
