// The gradients of the tape, written out by hand, against autograd for every family with every task; the
// forward pass itself is held to transformers in family_parity_test.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "engine/distillation/differentiable.h"
#include "engine/model/tape.h"
#include "gtest/gtest.h"
#include "tests/engine/model/golden_folder.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

class FamilyGradientsTest : public ::testing::TestWithParam<std::string> {};

struct Leaves {
  std::map<int, at::Tensor> features_TU;  // ones, by which features are multiplied
  std::map<int, at::Tensor> outputs_Td;   // zeros, which are added to outputs before the norm
};

// Every feature of every token has a factor of its own.
at::Tensor RunWith(const Encoder& encoder, const Leaves& leaves, int first, at::Tensor x_Td,
                   const Batch& batch) {
  for (int s = first; s < encoder.num_sublayers(); ++s) {
    const Linear& out = encoder.sublayers[s].out;
    const at::Tensor z_TU = DifferentiableFeatures(encoder, s, x_Td, batch) * leaves.features_TU.at(s);
    const at::Tensor y_Td = x_Td + z_TU.matmul(out.weight.t()) + out.bias + leaves.outputs_Td.at(s);
    x_Td = encoder.sublayers[s].norm_first ? y_Td : encoder.sublayers[s].norm(y_Td);
  }
  return encoder.reads_first_tokens() ? FirstTokens(x_Td, batch) : x_Td;
}

TEST_P(FamilyGradientsTest, AreThoseOfAutograd) {
  c10::NoGradGuard no_grad;
  const fs::path path = GoldensFolder() / GetParam();
  Encoder encoder = Loaded(Opened(path));
  const std::vector<Sample> samples = InputsOf(*OpenGolden(path / "golden.safetensors"), encoder.config);
  encoder.Keep(0, {encoder.sublayers[0].num_units() - 1});
  const Batch batch = MakeBatches(samples, kAnyNumber, "file", at::kCPU)[0];
  for (int first = 0; first < std::min(3, encoder.num_sublayers()); ++first) {
    SCOPED_TRACE(first);
    at::Tensor x_Td = encoder.Embed(batch);
    for (int s = 0; s < first; ++s) x_Td = encoder.Forward(s, x_Td, batch);

    Leaves leaves;
    std::vector<at::Tensor> all;
    for (int s = first; s < encoder.num_sublayers(); ++s) {
      leaves.features_TU[s] =
          at::ones({batch.tokens(), encoder.sublayers[s].num_features()}).requires_grad_(true);
      leaves.outputs_Td[s] = at::zeros_like(x_Td).requires_grad_(true);
      all.insert(all.end(), {leaves.features_TU[s], leaves.outputs_Td[s]});
    }
    Tape tape(encoder, first, batch.tokens());
    const at::Tensor found_Rd = tape.Forward(batch, x_Td).clone();
    const at::Tensor gradient_Rd = at::randn_like(found_Rd);
    std::vector<at::Tensor> slow;
    {
      c10::AutoGradMode grad_mode(true);
      const at::Tensor expected_Rd = RunWith(encoder, leaves, first, x_Td, batch);
      EXPECT_LT(LargestDifference(found_Rd, expected_Rd), 1e-4);
      slow = torch::autograd::grad({expected_Rd}, all, {gradient_Rd});
    }
    const auto expect_near = [](const at::Tensor& found, const at::Tensor& expected) {
      EXPECT_GT(expected.norm().item<double>(), 1e-6) << "nothing is compared";
      EXPECT_LE((found - expected).norm().item<double>(), 1e-3 * expected.norm().item<double>());
    };
    const auto on_masks = [&](int s, const at::Tensor& m_NU) {
      SCOPED_TRACE(s);
      const at::Tensor of_tokens = slow[2 * (s - first)];
      std::vector<at::Tensor> sums;
      for (int64_t n = 0; n < batch.size(); ++n)
        sums.push_back(of_tokens.narrow(0, batch.offsets[n], batch.offsets[n + 1] - batch.offsets[n]).sum(0));
      expect_near(m_NU, at::stack(sums));
    };
    const auto on_outputs = [&](int s, const at::Tensor& g) {
      SCOPED_TRACE(s);
      const at::Tensor of_all = slow[2 * (s - first) + 1];
      expect_near(g, g.size(0) == batch.tokens() ? of_all : FirstTokens(of_all, batch));
    };
    tape.Backward(gradient_Rd, {on_masks, on_outputs});
  }
}

std::vector<std::string> GoldenNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(GoldensFolder())) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Goldens, FamilyGradientsTest, ::testing::ValuesIn(GoldenNames()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace kprune
