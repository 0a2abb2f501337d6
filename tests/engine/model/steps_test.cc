// The steps on kernels, as CpuKernels chooses them for this processor, and their portable twins on the device
// that KPRUNE_TEST_DEVICE names, in the types that they compute in: both against the portable ones in float64
// on the CPU.
#include "engine/model/steps.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>

#include "engine/data/samples.h"
#include "engine/kernels/kernels.h"
#include "engine/model/matrix_product.h"
#include "engine/model/portable_steps.h"
#include "tests/engine/model/compute_device.h"

namespace kprune {
namespace {

std::vector<Sample> Lengths(const std::vector<int>& lengths) {
  std::vector<Sample> samples;
  for (int length : lengths) {
    samples.push_back({});
    samples.back().input_ids.assign(length, 1);
    samples.back().token_type_ids.assign(length, 0);
  }
  return samples;
}

// One implementation of all steps.
struct Steps {
  decltype(&Activate) activate;
  decltype(&AddBranch) add_branch;
  decltype(&Residual) residual;
  decltype(&AddNorm) add_norm;
  decltype(&NormBackward) norm_backward;
  decltype(&SegmentDot) segment_dot;
  decltype(&ColumnSquares) column_squares;
  decltype(&HeadGrams) head_grams;
  decltype(&Attend) attend;
  decltype(&AttendBackward) attend_backward;
  decltype(&FirstQueryBackward) first_query_backward;
};

constexpr Steps kOnKernels = {&Activate,     &AddBranch,      &Residual,          &AddNorm,
                              &NormBackward, &SegmentDot,     &ColumnSquares,     &HeadGrams,
                              &Attend,       &AttendBackward, &FirstQueryBackward};
constexpr Steps kPortable = {&portable::Activate,       &portable::AddBranch,         &portable::Residual,
                             &portable::AddNorm,        &portable::NormBackward,      &portable::SegmentDot,
                             &portable::ColumnSquares,  &portable::HeadGrams,         &portable::Attend,
                             &portable::AttendBackward, &portable::FirstQueryBackward};

struct Case {
  at::ScalarType type;
  bool portable;
};

class StepsTest : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override { at::manual_seed(7); }

  at::ScalarType type() const { return GetParam().type; }
  // What rounding to the type may change, relative to the largest value; twice as much where intermediate
  // results are rounded, too, be it those of short sums.
  double tolerance() const {
    return (type() == at::kBFloat16 ? 1.2e-2 : 1e-5) * (GetParam().portable || HasFloat16Sums() ? 2 : 1);
  }
  bool HasFloat16Sums() const {
    return type() == at::kBFloat16 && std::string_view(CpuKernels().instructions) == "avx512-fp16";
  }
  at::Tensor Normal(std::vector<int64_t> shape) const { return at::randn(shape).to(device_); }
  // Values that the type holds exactly, so that both twins read the same.
  at::Tensor Random(std::vector<int64_t> shape) const { return Normal(shape).to(type()); }
  at::Tensor Empty(std::vector<int64_t> shape) const { return Floats(shape).to(type()); }
  at::Tensor Floats(std::vector<int64_t> shape) const { return at::empty(shape, device_); }
  Batch OneBatch(const std::vector<int>& lengths) const {
    return MakeBatches(Lengths(lengths), kAnyNumber, "file", device_)[0];
  }
  Batch OneWideBatch(const std::vector<int>& lengths) const {
    return MakeBatches(Lengths(lengths), kAnyNumber, "file", at::kCPU)[0];
  }
  void ExpectClose(const at::Tensor& found, const at::Tensor& expected) const {
    ASSERT_EQ(found.sizes(), expected.sizes());
    const at::Tensor difference =
        (found.to(at::kCPU, at::kDouble) - expected.to(at::kCPU, at::kDouble)).abs();
    EXPECT_LE(difference.max().item<double>(),
              tolerance() * std::max(1.0, expected.abs().max().item<double>()));
  }

  const at::Device device_ = GetParam().portable ? testing::ComputeDevice() : at::Device(at::kCPU);
  const Steps& steps_ = GetParam().portable ? kPortable : kOnKernels;
};

at::Tensor Wide(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble); }

TEST_P(StepsTest, GeluAndItsDerivativeEverywhere) {
  // All of the range that matters, and the far tails.
  const at::Tensor h = at::cat({at::linspace(-12, 12, 4001), at::tensor({-1e4, -88.0, 88.0})})
                           .to(device_, type())
                           .view({4, 1001});
  const at::Tensor z = at::empty_like(h), derivative = at::empty_like(h);
  const at::Tensor no_bias = at::zeros({h.size(1)}, h.options());
  steps_.activate("gelu", h, no_bias, z, derivative);
  const at::Tensor wide_z = Wide(h).clone(), wide_derivative = Wide(h).clone();
  portable::Activate("gelu", Wide(h), Wide(no_bias), wide_z, wide_derivative);
  const double bound = type() == at::kBFloat16 ? 4e-3 : 1e-6;
  EXPECT_LE(((Wide(z) - wide_z).abs() / wide_z.abs().clamp_min(1)).max().item<double>(), bound);
  EXPECT_LE((Wide(derivative) - wide_derivative).abs().max().item<double>(), bound);
  const at::Tensor in_place = h.clone();
  steps_.activate("gelu", in_place, no_bias, in_place, at::Tensor());
  EXPECT_TRUE(at::equal(in_place, z));
}

TEST_P(StepsTest, EveryActivationHasItsDerivative) {
  for (const char* name : {"gelu", "gelu_new", "relu", "silu", "tanh"}) {
    const at::Tensor h = Random({7, 33});
    const at::Tensor z = at::empty_like(h), derivative = at::empty_like(h);
    const at::Tensor bias = Random({33});
    steps_.activate(name, h, bias, z, derivative);
    constexpr double kStep = 1e-5;
    const at::Tensor above = Wide(h) + kStep, below = Wide(h) - kStep;
    portable::Activate(name, above, Wide(bias), above, at::Tensor());
    portable::Activate(name, below, Wide(bias), below, at::Tensor());
    SCOPED_TRACE(name);
    ExpectClose(derivative, (above - below) / (2 * kStep));
  }
}

// Plain and transposed weights; rows and columns that fill no tile, and so many that the threads share a
// panel.
TEST_P(StepsTest, ProductsAndActivatedProducts) {
  for (const int64_t rows : {1, 13, 700}) {
    const at::Tensor x = Random({rows, 77}), bias = Random({101});
    for (const at::Tensor& weight : {Random({77, 101}), Random({101, 77}).t()}) {
      const at::Tensor h = Wide(x).mm(Wide(weight));
      const at::Tensor product = Empty({rows, 101});
      MatrixProduct(x, weight, product);
      ExpectClose(product, h);
      const at::Tensor packed_product = Empty({rows, 101});
      MatrixProduct(x, Factor::Packed(weight), packed_product);
      EXPECT_TRUE(packed_product.equal(product));
      for (const char* activation : {"gelu", "relu"}) {
        SCOPED_TRACE(activation);
        const at::Tensor z = Empty({rows, 101}), derivative = Empty({rows, 101});
        const at::Tensor squares = Floats({101}).fill_(3);  // what was there does not count
        ActivatedProduct(activation, x, weight, bias, z, derivative, squares);
        const at::Tensor wide_z = at::empty_like(h), wide_derivative = at::empty_like(h);
        portable::Activate(activation, h, Wide(bias), wide_z, wide_derivative);
        ExpectClose(z, wide_z);
        ExpectClose(squares, wide_z.square().sum(0));
        // Rounding may carry a number across the bend of the function.
        const at::Tensor far = (h + Wide(bias)).abs() > 0.1;
        ExpectClose(Wide(derivative).masked_select(far), wide_derivative.masked_select(far));
      }
    }
  }
}

TEST_P(StepsTest, ProductsOfViewsAndOfNothing) {
  const at::Tensor wide = Random({30, 50}), weight = Random({20, 33});
  const at::Tensor x = wide.narrow(1, 7, 20), out = Empty({30, 40}).zero_();
  MatrixProduct(x, weight, out.narrow(1, 3, 33));
  ExpectClose(out.narrow(1, 3, 33), Wide(x).mm(Wide(weight)));
  EXPECT_EQ(out.narrow(1, 0, 3).abs().max().item<float>(), 0) << "beside it nothing is written";
  const at::Tensor none = Empty({30, 0});
  ActivatedProduct("gelu", x, weight.narrow(1, 0, 0), Random({0}), none, at::Tensor(), Floats({0}));
  const at::Tensor zeros = Empty({30, 33});
  MatrixProduct(Random({30, 0}), Random({0, 33}), zeros);
  EXPECT_EQ(zeros.abs().max().item<float>(), 0) << "sums over nothing";
  MatrixProduct(Random({30, 0}), Factor::Packed(Random({0, 33})), zeros.fill_(1));
  EXPECT_EQ(zeros.abs().max().item<float>(), 0) << "packed or not";
  MatrixProduct(x, Factor::Packed(weight.narrow(1, 0, 0)), none);
}

TEST_P(StepsTest, AddNormAndItsBackward) {
  for (int64_t d : {8, 15, 16, 384, 770}) {
    SCOPED_TRACE(d);
    const at::Tensor x = Normal({13, d}), branch = Random({13, d}), gradient = Normal({13, d});
    const at::Tensor bias = Random({d});
    const LayerNorm norm{1 + 0.1 * Normal({d}), Normal({d}), 1e-12};
    const LayerNorm wide_norm{Wide(norm.weight), Wide(norm.bias), 1e-12};
    const NormResult result{Floats({13, d}), Floats({13, 2}), Floats({13, d}), Empty({13, d})};
    const NormResult wide{Wide(x), at::empty({13, 2}, at::kDouble), Wide(x).clone(), at::Tensor()};
    steps_.add_norm(x, branch, bias, norm, result);
    const at::Tensor y = at::empty_like(result.y_Td);
    steps_.add_branch(x, branch, bias, y);
    EXPECT_TRUE(at::equal(y, result.y_Td));
    portable::AddNorm(Wide(x), Wide(branch), Wide(bias), wide_norm, wide);
    ExpectClose(result.out_Td, wide.out_Td);
    ExpectClose(result.out_element_Td, wide.out_Td);
    const at::Tensor in_place = y.clone();
    Normalize(in_place, norm, in_place);
    ExpectClose(in_place, wide.out_Td);

    const at::Tensor out = Floats({13, d}), element = Empty({13, d}), wide_out = Wide(out);
    steps_.norm_backward(gradient, branch, norm, result, out, element);
    portable::NormBackward(Wide(gradient), Wide(branch), wide_norm, wide, wide_out, at::Tensor());
    ExpectClose(out, wide_out);
    ExpectClose(element, wide_out);
    // In place, without a branch.
    const at::Tensor same = gradient.clone();
    steps_.norm_backward(same, at::Tensor(), norm, result, same, element);
    portable::NormBackward(Wide(gradient), at::Tensor(), wide_norm, wide, wide_out, at::Tensor());
    ExpectClose(same, wide_out);
  }
}

TEST_P(StepsTest, ResidualsAndTheSumOfTheirSquares) {
  for (const int64_t d : {7, 16, 384}) {
    SCOPED_TRACE(d);
    const at::Tensor y = Normal({150, d}), x = Normal({150, d}), bias = Normal({d});
    const at::Tensor residual = Floats({150, d}), sum = at::ones({}, residual.options().dtype(at::kDouble));
    steps_.residual(y, x, bias, residual, sum);
    const at::Tensor expected = Wide(y) - Wide(x) - Wide(bias);
    ExpectClose(residual, expected);
    ExpectClose(sum, 1 + expected.square().sum());
    const at::Tensor wide_residual = residual.to(at::kDouble);
    steps_.residual(y, x, bias, wide_residual, sum);
    ExpectClose(wide_residual, expected);
    ExpectClose(sum, 1 + 2 * expected.square().sum());
  }
}

TEST_P(StepsTest, SegmentDotSumsEverySequenceAndScalesTheGradient) {
  const std::vector<int64_t> offsets = {0, 3, 4, 4, 11};
  const Segments segments{offsets, at::tensor(offsets).to(device_)};
  const Segments wide_segments{offsets, at::tensor(offsets)};
  for (int64_t units : {1, 5, 64, 100, 257}) {
    SCOPED_TRACE(units);
    const at::Tensor z = Random({11, units}), gradient = Random({11, units}),
                     derivative = Random({11, units});
    const at::Tensor scaled = gradient.clone(), wide_scaled = Wide(gradient).clone();
    const at::Tensor sums = steps_.segment_dot(z, scaled, derivative, segments);
    ExpectClose(sums, portable::SegmentDot(Wide(z), wide_scaled, Wide(derivative), wide_segments));
    ExpectClose(scaled, wide_scaled);
    const at::Tensor untouched = gradient.clone();
    EXPECT_TRUE(at::equal(steps_.segment_dot(z, untouched, at::Tensor(), segments), sums));
    EXPECT_TRUE(at::equal(untouched, gradient));
    EXPECT_EQ(sums[2].abs().max().item<float>(), 0) << "an empty segment";
  }
}

TEST_P(StepsTest, SquaresAndGramsOfColumns) {
  for (int64_t rows : {1, 9, 600}) {
    const at::Tensor z = Random({rows, 3 * 20});
    ExpectClose(steps_.column_squares(z), portable::ColumnSquares(Wide(z)));
    ExpectClose(steps_.head_grams(z, 3), portable::HeadGrams(Wide(z), 3));
  }
}

TEST_P(StepsTest, AttentionAndItsBackward) {
  for (int64_t head_dim : {4, 16, 20, 64}) {
    for (const std::vector<int>& lengths : {std::vector<int>{1}, {5, 5}, {1, 17, 49, 3}, {200, 64}}) {
      SCOPED_TRACE(head_dim);
      const Batch batch = OneBatch(lengths), wide_batch = OneWideBatch(lengths);
      const int64_t heads = 3, width = heads * head_dim, tokens = batch.tokens();
      const at::Tensor bias = Random({3 * width});
      const at::Tensor qkv = Random({tokens, 3 * width}), gradient = Random({tokens, width});
      const at::Tensor context = Empty({tokens, width}), wide_context = Wide(context).clone();
      steps_.attend(qkv, bias, heads, batch, context, {});
      portable::Attend(Wide(qkv), Wide(bias), heads, wide_batch, wide_context);
      ExpectClose(context, wide_context);

      const at::Tensor backward = Empty({tokens, 3 * width}), wide_backward = Wide(qkv).clone();
      steps_.attend_backward(qkv, bias, heads, batch, gradient, backward, {});
      portable::AttendBackward(Wide(qkv), Wide(bias), heads, wide_batch, Wide(gradient), wide_backward);
      ExpectClose(backward, wide_backward);

      const at::Tensor weight = Random({3 * width, 77}), of_first = Random({batch.size(), width});
      const at::Tensor at_input = Floats({tokens, 77}), wide_at_input = Wide(at_input);
      steps_.first_query_backward(qkv, bias, weight, heads, batch, of_first, at_input, {});
      portable::FirstQueryBackward(Wide(qkv), Wide(bias), Wide(weight), heads, wide_batch, Wide(of_first),
                                   wide_at_input);
      ExpectClose(at_input, wide_at_input);
    }
  }
}

// More sequences than are taken at a time.
TEST_P(StepsTest, GradientsOfManyFirstTokens) {
  const std::vector<int> lengths(150, 2);
  const at::Tensor qkv = Random({300, 24}), bias = Random({24}), weight = Random({24, 5}),
                   gradient = Random({150, 8});
  const at::Tensor found = Floats({300, 5}), expected = Wide(found);
  steps_.first_query_backward(qkv, bias, weight, 2, OneBatch(lengths), gradient, found, {});
  portable::FirstQueryBackward(Wide(qkv), Wide(bias), Wide(weight), 2, OneWideBatch(lengths), Wide(gradient),
                               expected);
  ExpectClose(found, expected);
}

// LibTorch's parallel loops are inline: compiled without OpenMP they run on one thread and say nothing.
TEST(StepsThreadsTest, LoopsAreSharedOutAmongThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  at::parallel_for(0, 2, 1, [&](int64_t, int64_t) {
    const std::lock_guard<std::mutex> lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  at::set_num_threads(threads);
  EXPECT_EQ(ids.size(), 2U);
}

class KernelStepsTest : public StepsTest {};

TEST_P(KernelStepsTest, NoStepDependsOnTheNumberOfThreads) {
  const Batch batch = OneBatch({30, 41, 3, 77, 20});
  const at::Tensor qkv = Random({batch.tokens(), 3 * 64}), z = Random({batch.tokens(), 300});
  const at::Tensor weight = Random({300, 64}), at_weight = Random({3 * 64, 77}), bias = Random({3 * 64});
  const at::Tensor first = Random({batch.size(), 64});
  std::map<int, std::vector<at::Tensor>> found;
  constexpr size_t kProduct = 4, kPanel = 5;  // among them
  const int threads = at::get_num_threads();
  for (int n : {1, 3}) {
    at::set_num_threads(n);
    const at::Tensor context = Empty({batch.tokens(), 64});
    steps_.attend(qkv, bias, 4, batch, context, {});
    const at::Tensor product = Empty({batch.tokens(), 64}), panel = Empty({batch.tokens(), 20});
    MatrixProduct(z, weight, product);
    MatrixProduct(z, weight.narrow(1, 0, 20), panel);  // the threads share one panel
    const at::Tensor at_qkv = at::empty_like(qkv), at_input = Floats({batch.tokens(), 77});
    steps_.attend_backward(qkv, bias, 4, batch, context, at_qkv, {});
    steps_.first_query_backward(qkv, bias, at_weight, 4, batch, first, at_input, {});
    const at::Tensor residual = Floats({batch.tokens(), 300});
    const at::Tensor sum = at::zeros({}, at::TensorOptions(at::kDouble));
    steps_.residual(z.to(at::kFloat), 3 * z.to(at::kFloat), at::ones({300}), residual, sum);
    found[n] = {context,
                steps_.column_squares(z),
                steps_.head_grams(z, 5),
                steps_.segment_dot(z, z.clone(), z, {batch.offsets, batch.offsets_device}),
                product,
                panel,
                at_qkv,
                at_input,
                sum};
  }
  at::set_num_threads(threads);
  // Elsewhere a library multiplies, and promises nothing of the kind.
  const bool own_products = GetParam().type == at::kBFloat16 ||
                            std::string_view(CpuKernels().instructions).substr(0, 6) == "avx512";
  for (size_t i = 0; i < found[1].size(); ++i) {
    if (!own_products && (i == kProduct || i == kPanel)) continue;
    EXPECT_TRUE(at::equal(found[1][i], found[3][i])) << i;
  }
}

std::string NameOf(const ::testing::TestParamInfo<Case>& info) {
  return std::string(info.param.portable ? "Portable" : "Kernels") +
         (info.param.type == at::kFloat ? "Float32" : "BFloat16");
}

INSTANTIATE_TEST_SUITE_P(Types, KernelStepsTest,
                         ::testing::Values(Case{at::kFloat, false}, Case{at::kBFloat16, false}), NameOf);
INSTANTIATE_TEST_SUITE_P(Types, StepsTest,
                         ::testing::Values(Case{at::kFloat, false}, Case{at::kBFloat16, false},
                                           Case{at::kFloat, true}, Case{at::kBFloat16, true}),
                         NameOf);

}  // namespace
}  // namespace kprune
