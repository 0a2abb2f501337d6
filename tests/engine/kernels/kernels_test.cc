#include "engine/kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "tests/engine/kernels/instruction_sets.h"

namespace kprune {
namespace {

// Every instruction set that this processor runs gives what the baseline gives; model/steps_test.cc holds the
// one that is chosen against float64.
class KernelsTest : public testing::InstructionSetTest {};

TEST_P(KernelsTest, Examples) {
  EXPECT_EQ(GetParam(), kernels_->instructions);
  const std::vector<float> h = {-1, 0, 1, 2, 3};
  std::vector<float> z(5), derivative(5);
  const std::vector<float> bias(5, 0);
  kernels_->float32.gelu(1, 5, h.data(), bias.data(), z.data(), derivative.data());
  for (int i = 0; i < 5; ++i) EXPECT_NEAR(z[i], h[i] * 0.5 * std::erfc(-h[i] / std::sqrt(2.0)), 4e-7);
  EXPECT_NEAR(derivative[1], 0.5, 1e-6);
}

TEST_P(KernelsTest, RowsAndColumns) {
  const int64_t rows = 9, d = 77;
  const std::vector<float> x = Random(rows * d, 1), branch = Random(rows * d, 2), weight = Random(d, 3);
  const std::vector<int64_t> offsets = {0, 2, 9};
  std::vector<std::vector<float>> results[2];
  int which = 0;
  for (const Kernels* kernels : {kernels_, &baseline_}) {
    std::vector<float> y(rows * d), statistics(2 * rows), out(rows * d), back(rows * d), sums(2 * d),
        squares(d);
    kernels->float32.add_norm(rows, d, x.data(), branch.data(), weight.data(), weight.data(), weight.data(),
                              1e-12, y.data(), statistics.data(), out.data(), nullptr);
    kernels->float32.norm_backward(rows, d, x.data(), branch.data(), y.data(), statistics.data(),
                                   weight.data(), back.data(), nullptr);
    // Of the norm alone, in place.
    std::vector<float> normal = x, residual(rows * d);
    kernels->float32.add_norm(rows, d, normal.data(), nullptr, nullptr, weight.data(), weight.data(), 1e-12,
                              normal.data(), nullptr, normal.data(), nullptr);
    const double sum = kernels->residual(rows, d, x.data(), branch.data(), weight.data(), residual.data());
    std::vector<float> gradient = branch;
    kernels->float32.segment_dot(0, d, d, 2, offsets.data(), x.data(), gradient.data(), x.data(),
                                 sums.data());
    kernels->float32.column_squares(0, d, rows, d, x.data(), squares.data());
    results[which++] = {y,    statistics, out,    back,     gradient,
                        sums, squares,    normal, residual, {static_cast<float>(sum)}};
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    SCOPED_TRACE(i);
    ExpectClose(results[0][i], results[1][i]);
  }
}

TEST_P(KernelsTest, AttentionOfOddSizes) {
  const std::vector<int64_t> offsets = {0, 1, 60, 83};
  const AttentionShape shape{offsets.data(), 2, 13, 59};
  const std::vector<float> qkv = Random(83 * 78, 4), bias = Random(78, 6), gradient = Random(83 * 26, 5);
  std::vector<float> contexts[2], gradients[2];
  int which = 0;
  for (const Kernels* kernels : {kernels_, &baseline_}) {
    std::vector<float> scratch(kernels->attention_scratch(shape));
    contexts[which].resize(83 * 26);
    gradients[which].resize(83 * 78);
    kernels->float32.attention(0, 6, shape, qkv.data(), bias.data(), contexts[which].data(), scratch.data());
    kernels->float32.attention_backward(0, 6, shape, qkv.data(), bias.data(), gradient.data(),
                                        gradients[which].data(), scratch.data());
    ++which;
  }
  ExpectClose(contexts[0], contexts[1]);
  ExpectClose(gradients[0], gradients[1]);
}

TEST_P(KernelsTest, FirstQueriesGiveWhatAllQueriesGiveForThemAlone) {
  const std::vector<int64_t> offsets = {0, 1, 20, 43};
  const int64_t heads = 2, head_dim = 13, units = 26, tokens = 43;
  const AttentionShape shape{offsets.data(), heads, head_dim, 23};
  const std::vector<float> qkv = Random(tokens * 78, 4), bias = Random(78, 6), first = Random(3 * units, 5);
  std::vector<float> scratch(kernels_->attention_scratch(shape)), gradient(tokens * units), all(tokens * 78);
  for (int64_t n = 0; n < 3; ++n)
    std::copy_n(first.begin() + n * units, units, gradient.begin() + offsets[n] * units);
  kernels_->float32.attention_backward(0, 6, shape, qkv.data(), bias.data(), gradient.data(), all.data(),
                                       scratch.data());
  std::vector<float> query(3 * units), query_gradient(3 * units), multiples(tokens * 2 * heads);
  kernels_->float32.first_query_backward(0, 6, shape, qkv.data(), bias.data(), first.data(), query.data(),
                                         query_gradient.data(), multiples.data(), scratch.data());
  for (int64_t n = 0; n < 3; ++n) {
    for (int64_t u = 0; u < units; ++u) {
      ASSERT_NEAR(query_gradient[n * units + u], all[offsets[n] * 78 + u], 2e-5);
      for (int64_t t = offsets[n]; t < offsets[n + 1]; ++t) {
        const float* const factors = multiples.data() + t * 2 * heads + u / head_dim;
        ASSERT_NEAR(factors[0] * query[n * units + u], all[t * 78 + units + u], 2e-5);
        ASSERT_NEAR(factors[heads] * first[n * units + u], all[t * 78 + 2 * units + u], 2e-5);
      }
    }
  }
}

template <typename S>
std::vector<double> GramByKernels(const GramKernels<S>& kernels, const std::vector<float>& z, int64_t rows,
                                  int64_t columns) {
  const int64_t width = kernels.columns, panels = (columns + width - 1) / width;
  const int64_t size = (rows + kernels.depth - 1) / kernels.depth * width;
  std::vector<S> packed(panels * size);
  std::vector<double> gram(columns * columns);
  for (int64_t p = 0; p < panels; ++p)
    kernels.pack_float32(rows, columns, p, z.data(), columns, /*scale=*/nullptr, packed.data() + p * size);
  for (int64_t i = 0; i < panels; ++i) {
    for (int64_t j = 0; j < panels; ++j) {
      kernels.tile(rows, packed.data() + i * size, packed.data() + j * size,
                   std::min(width, columns - i * width), columns - j * width,
                   gram.data() + i * width * columns + j * width, columns);
    }
  }
  return gram;
}

TEST_P(KernelsTest, SumsOfColumnsAndRows) {
  const int64_t rows = 37, columns = 4 * kernels_->double_gram.columns - 3;
  const std::vector<float> z = Random(rows * columns, 1);
  const auto product = [&](int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t t = 0; t < rows; ++t)
      sum += static_cast<double>(z[t * columns + i]) * static_cast<double>(z[t * columns + j]);
    return sum;
  };
  const std::vector<double> gram = GramByKernels(kernels_->double_gram, z, rows, columns),
                            single = GramByKernels(kernels_->single_gram, z, rows, columns);
  std::vector<float> of_head(11 * 11), scratch(kernels_->gram_scratch(11));
  kernels_->float32.column_gram(2, 11, rows, columns, z.data(), of_head.data(), scratch.data());
  for (int64_t i = 0; i < columns; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      ASSERT_NEAR(gram[i * columns + j], product(i, j), 1e-11) << i << " " << j;
      ASSERT_NEAR(single[i * columns + j], product(i, j), 1e-4) << i << " " << j;
      if (i < 11 && j < 11) {
        ASSERT_NEAR(of_head[i * 11 + j], product(i + 2, j + 2), 1e-4);
      }
    }
  }
  if (kernels_->pair_gram != nullptr) {
    // What bfloat16 holds exactly is multiplied exactly.
    std::vector<float> short_z = z;
    for (float& x : short_z) x = std::round(x * 16) / 16;
    const std::vector<double> pairs = GramByKernels(*kernels_->pair_gram, short_z, rows, columns),
                              expected = GramByKernels(kernels_->double_gram, short_z, rows, columns);
    for (size_t i = 0; i < pairs.size(); ++i) ASSERT_NEAR(pairs[i], expected[i], 1e-4) << i;
  }
  const int64_t d = 77, count = 5;
  const std::vector<float> vectors = Random(count * 90, 2), multiples = Random(rows * count, 3);
  std::vector<float> combined(rows * d, 9);
  kernels_->combine(1, rows, count, d, multiples.data(), vectors.data(), 90, combined.data());
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t c = 0; c < d; ++c) {
      double sum = t == 0 ? 9 : 0;  // a row that was not asked for
      for (int64_t j = 0; j < count && t > 0; ++j)
        sum += static_cast<double>(multiples[t * count + j]) * static_cast<double>(vectors[j * 90 + c]);
      ASSERT_NEAR(combined[t * d + c], sum, 1e-5);
    }
  }
}

TEST_P(KernelsTest, SumsOfHeads) {
  for (const int64_t width : {11, 32, 40, 64}) {
    for (const int64_t rows : {0, 1, 37, 300}) {
      SCOPED_TRACE(::testing::Message() << width << " columns, " << rows << " rows");
      const int64_t columns = width + 5;
      const std::vector<uint16_t> z = ToBFloat16(Random(rows * columns, 1));
      const std::vector<float> wide = ToFloat(z);
      std::vector<float> memory, gram(width * width, -1), wide_gram(gram);
      float* const scratch = AlignedScratch(kernels_->gram_scratch(width), memory);
      kernels_->bfloat16.column_gram(3, width, rows, columns, z.data(), gram.data(), scratch);
      kernels_->float32.column_gram(3, width, rows, columns, wide.data(), wide_gram.data(), scratch);
      for (int64_t i = 0; i < width; ++i) {
        for (int64_t j = 0; j < width; ++j) {
          double sum = 0;
          for (int64_t t = 0; t < rows; ++t)
            sum += static_cast<double>(wide[t * columns + 3 + i]) * wide[t * columns + 3 + j];
          ASSERT_NEAR(gram[i * width + j], sum, 2e-3) << i << " " << j;
          ASSERT_NEAR(wide_gram[i * width + j], sum, 2e-3) << i << " " << j;
        }
      }
    }
  }
}

// On numbers that bfloat16 holds exactly the types differ by the rounding of what they store, and activations
// by a little more.
TEST_P(KernelsTest, BFloat16ComputesAsFloat32Does) {
  const std::vector<int64_t> offsets = {0, 1, 20, 43};
  const AttentionShape shape{offsets.data(), 2, 13, 23};
  const std::vector<uint16_t> qkv = ToBFloat16(Random(43 * 78, 4)), bias = ToBFloat16(Random(78, 6)),
                              gradient = ToBFloat16(Random(43 * 26, 5));
  const std::vector<float> wide_qkv = ToFloat(qkv), wide_bias = ToFloat(bias),
                           wide_gradient = ToFloat(gradient);
  std::vector<float> scratch(kernels_->attention_scratch(shape));
  std::vector<float> wide_context(43 * 26), wide_back(43 * 78);
  kernels_->float32.attention(0, 6, shape, wide_qkv.data(), wide_bias.data(), wide_context.data(),
                              scratch.data());
  kernels_->float32.attention_backward(0, 6, shape, wide_qkv.data(), wide_bias.data(), wide_gradient.data(),
                                       wide_back.data(), scratch.data());
  std::vector<uint16_t> context(43 * 26), back(43 * 78);
  kernels_->bfloat16.attention(0, 6, shape, qkv.data(), bias.data(), context.data(), scratch.data());
  kernels_->bfloat16.attention_backward(0, 6, shape, qkv.data(), bias.data(), gradient.data(), back.data(),
                                        scratch.data());
  std::vector<uint16_t> z(43 * 26), derivative(43 * 26), scaled = gradient;
  std::vector<float> wide_z(43 * 26), wide_derivative(43 * 26), wide_scaled = wide_gradient, sums(3 * 26),
                                                                wide_sums(3 * 26);
  kernels_->bfloat16.gelu(43, 26, gradient.data(), bias.data(), z.data(), derivative.data());
  kernels_->float32.gelu(43, 26, wide_gradient.data(), wide_bias.data(), wide_z.data(),
                         wide_derivative.data());
  kernels_->bfloat16.segment_dot(0, 26, 26, 3, offsets.data(), gradient.data(), scaled.data(),
                                 gradient.data(), sums.data());
  kernels_->float32.segment_dot(0, 26, 26, 3, offsets.data(), wide_gradient.data(), wide_scaled.data(),
                                wide_gradient.data(), wide_sums.data());
  ExpectClose(sums, wide_sums);
  const auto expect_rounded = [](const std::vector<uint16_t>& found, const std::vector<float>& expected,
                                 double allowed = 1e-5) {
    ASSERT_EQ(found.size(), expected.size());
    const std::vector<float> values = ToFloat(found);
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_NEAR(values[i], expected[i], 0.004 * std::abs(expected[i]) + allowed) << i;
  };
  expect_rounded(context, wide_context);
  expect_rounded(back, wide_back);
  expect_rounded(z, wide_z, 4e-5);
  expect_rounded(derivative, wide_derivative, 2e-4);
  expect_rounded(scaled, wide_scaled);
}

TEST_P(KernelsTest, ActivationsOfBFloat16) {
  std::vector<float> wide;
  for (float x = -12; x <= 12; x += 1.0f / 64) wide.push_back(x);
  const std::vector<uint16_t> x = ToBFloat16(wide), bias(x.size());
  wide = ToFloat(x);
  std::vector<uint16_t> z(x.size()), derivative(x.size());
  kernels_->bfloat16.gelu(1, static_cast<int64_t>(x.size()), x.data(), bias.data(), z.data(),
                          derivative.data());
  const std::vector<float> values = ToFloat(z), slopes = ToFloat(derivative);
  for (size_t i = 0; i < x.size(); ++i) {
    const double at = wide[i], phi = 0.5 * std::erfc(-at / std::sqrt(2.0));
    const double slope = phi + at * std::exp(-at * at / 2) / std::sqrt(2 * std::numbers::pi);
    ASSERT_NEAR(values[i], at * phi, 0.004 * std::abs(at * phi) + 4e-5) << at;
    ASSERT_NEAR(slopes[i], slope, 0.004 * std::abs(slope) + 2e-4) << at;
  }
}

TEST_P(KernelsTest, BFloat16RoundsToTheNearestEven) {
  // A row of zeros is normalised to the bias.
  const std::vector<float> x = {1.0f, 1.00390625f, 1.01171875f, -3.14159274f, NAN, INFINITY, 0.0f};
  const auto d = static_cast<int64_t>(x.size());
  const std::vector<float> zeros(x.size());
  const std::vector<uint16_t> zero_elements(x.size());
  std::vector<float> y(x.size()), statistics(2), normal(x.size());
  std::vector<uint16_t> out(x.size());
  kernels_->bfloat16.add_norm(1, d, zeros.data(), zero_elements.data(), zero_elements.data(), zeros.data(),
                              x.data(), 1e-12, y.data(), statistics.data(), normal.data(), out.data());
  // Halfway between 0x3f80 and 0x3f81 goes to the even one, as does halfway between 0x3f81 and 0x3f82.
  const std::vector<uint16_t> expected = {0x3f80, 0x3f80, 0x3f82, 0xc049};
  EXPECT_EQ(std::vector<uint16_t>(out.begin(), out.begin() + 4), expected);
  EXPECT_EQ(out[4] & 0x7f80, 0x7f80);
  EXPECT_NE(out[4] & 0x7f, 0) << "still not a number";
  EXPECT_EQ(out[5], 0x7f80);
  EXPECT_EQ(out[6], 0);
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, KernelsTest, testing::InstructionSets(),
                         testing::InstructionSetName);

}  // namespace
}  // namespace kprune
