#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/engine/kernels/instruction_sets.h"

namespace kprune {
namespace {

class ProductTest : public testing::InstructionSetTest {
 protected:
  // An element of a product in float64, and the sum of its terms' magnitudes.
  struct Element {
    double sum = 0, magnitude = 0;
  };
  static Element ElementOf(const ProductShape& shape, const std::vector<float>& a,
                           const std::vector<float>& b, int64_t i, int64_t j) {
    Element element;
    for (int64_t k = 0; k < shape.inner; ++k) {
      const int64_t of_b = shape.b_transposed ? j * shape.b_stride + k : k * shape.b_stride + j;
      const double term = static_cast<double>(a[i * shape.a_stride + k]) * b[of_b];
      element.sum += term;
      element.magnitude += std::abs(term);
    }
    return element;
  }
};

// Products of all sizes around tiles, panels and pairs, by blocks as threads share them out, against sums in
// float64.
TEST_P(ProductTest, ProductsOfOddSizes) {
  const int64_t panel = kernels_->panel_columns;
  struct Size {
    int64_t rows, inner, columns;
  };
  for (const Size& size :
       {Size{1, 1, 1}, Size{14, 16, panel}, Size{15, 33, panel + 1}, Size{41, 7, 3 * panel - 5},
        Size{3, 2100, 2 * panel}, Size{29, 64, 5 * panel}, Size{15, 900, 33 * panel + 1}}) {
    for (const bool transposed : {false, true}) {
      SCOPED_TRACE(::testing::Message() << size.rows << " x " << size.inner << " x " << size.columns
                                        << (transposed ? " transposed" : ""));
      const std::vector<uint16_t> a = ToBFloat16(Random(size.rows * size.inner, 1)),
                                  b = ToBFloat16(Random(size.inner * size.columns, 2));
      const std::vector<float> wide_a = ToFloat(a), wide_b = ToFloat(b);
      const ProductShape shape{
          size.rows,    size.inner, size.columns, size.inner, transposed ? size.inner : size.columns,
          size.columns, transposed};
      std::vector<float> wide_c(size.rows * size.columns, -1);
      std::vector<uint16_t> c(wide_c.size());
      const int64_t panels = (size.columns + panel - 1) / panel, cut = size.rows / 3;
      for (const ProductBlock& block : {ProductBlock{0, cut, 0, 1}, ProductBlock{cut, size.rows, 0, 1},
                                        ProductBlock{0, size.rows, 1, panels}}) {
        RunProduct(kernels_->float32, shape, block, wide_a.data(), wide_b.data(), wide_c.data());
        RunProduct(kernels_->bfloat16, shape, block, a.data(), b.data(), c.data());
      }
      const std::vector<float> rounded = ToFloat(c);
      for (int64_t i = 0; i < size.rows; ++i) {
        for (int64_t j = 0; j < size.columns; ++j) {
          const auto [sum, magnitude] = ElementOf(shape, wide_a, wide_b, i, j);
          ASSERT_NEAR(wide_c[i * size.columns + j], sum, 2e-6 * magnitude + 1e-12) << i << " " << j;
          ASSERT_NEAR(rounded[i * size.columns + j], sum,
                      SumError() * magnitude + 0.004 * std::abs(sum) + 1e-12);
        }
      }
    }
  }
}

// Rows and columns of very different sizes, with elements of very different sizes in each.
TEST_P(ProductTest, ProductsOfAllMagnitudes) {
  const int64_t rows = 16, inner = 70, columns = kernels_->panel_columns + 7;
  std::vector<float> wide_a = Random(rows * inner, 1), wide_b = Random(inner * columns, 2);
  const auto size_of_row = [](int64_t i) { return std::ldexp(1.0f, 8 * static_cast<int>(i) - 64); };
  const auto size_of_column = [](int64_t j) { return std::ldexp(1.0f, 20 - static_cast<int>(j)); };
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t k = 0; k < inner; ++k) wide_a[i * inner + k] *= i == 3 ? 0 : size_of_row(i);
    wide_a[i * inner + i] *= 4096;  // an outlier, which one column does not see
    for (int64_t j = 0; j < columns; ++j) wide_b[i * columns + j] *= j == 1 ? 0 : 1;
  }
  for (int64_t k = 0; k < inner; ++k) {
    for (int64_t j = 0; j < columns; ++j) wide_b[k * columns + j] *= size_of_column(j);
  }
  const std::vector<uint16_t> a = ToBFloat16(wide_a), b = ToBFloat16(wide_b);
  wide_a = ToFloat(a);
  wide_b = ToFloat(b);
  std::vector<uint16_t> c(rows * columns);
  const ProductShape shape{rows, inner, columns, inner, columns, columns, false};
  RunProduct(kernels_->bfloat16, shape, {0, rows, 0, 2}, a.data(), b.data(), c.data());
  const std::vector<float> found = ToFloat(c);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const auto [sum, magnitude] = ElementOf(shape, wide_a, wide_b, i, j);
      ASSERT_NEAR(found[i * columns + j], sum, SumError() * magnitude + 0.004 * std::abs(sum))
          << i << " " << j;
    }
  }
}

// As large as sums can be when the largest elements are known. Equal terms round alike: short sums in float16
// are less exact than of terms that differ.
TEST_P(ProductTest, ProductsOfEqualElements) {
  const int64_t rows = 2, inner = 500, columns = 3;
  const std::vector<uint16_t> a = ToBFloat16(std::vector<float>(rows * inner, 1.9921875f)),
                              b = ToBFloat16(std::vector<float>(inner * columns, -1.9921875f));
  std::vector<uint16_t> c(rows * columns);
  RunProduct(kernels_->bfloat16, {rows, inner, columns, inner, columns, columns, false}, {0, rows, 0, 1},
             a.data(), b.data(), c.data());
  constexpr float kSum = -1.9921875f * 1.9921875f * 500;
  const float allowed = GetParam() == "avx512-fp16" ? 0.012f : 0.004f;
  for (const float found : ToFloat(c)) EXPECT_NEAR(found, kSum, -allowed * kSum);
}

TEST_P(ProductTest, WhatIsNotFiniteStaysInItsRow) {
  const int64_t rows = 3, inner = 40, columns = 5;
  std::vector<float> wide_a = Random(rows * inner, 1);
  wide_a[0 * inner + 7] = std::numeric_limits<float>::infinity();
  wide_a[2 * inner + 33] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<uint16_t> a = ToBFloat16(wide_a), b = ToBFloat16(Random(inner * columns, 2));
  std::vector<uint16_t> c(rows * columns);
  RunProduct(kernels_->bfloat16, {rows, inner, columns, inner, columns, columns, false}, {0, rows, 0, 1},
             a.data(), b.data(), c.data());
  const std::vector<float> found = ToFloat(c);
  for (int64_t j = 0; j < columns; ++j) {
    EXPECT_FALSE(std::isfinite(found[j])) << j;
    EXPECT_TRUE(std::isfinite(found[columns + j])) << j;
    EXPECT_TRUE(std::isnan(found[2 * columns + j])) << j;
  }
}

TEST_P(ProductTest, AnActivatedProductIsTheProductThenItsActivation) {
  const int64_t rows = 17, inner = 20, columns = kernels_->panel_columns + 3;
  const std::vector<float> a = Random(rows * inner, 1), b = Random(inner * columns, 2),
                           bias = Random(columns, 3);
  const ProductShape shape{rows, inner, columns, inner, columns, columns, false};
  const ProductBlock all{0, rows, 0, 2};
  std::vector<float> h(rows * columns), z(h.size()), derivative(h.size()), fused(h.size()),
      fused_derivative(h.size());
  RunProduct(kernels_->float32, shape, all, a.data(), b.data(), h.data());
  kernels_->float32.gelu(rows, columns, h.data(), bias.data(), z.data(), derivative.data());
  const GeluEpilogue gelu{bias.data(), fused_derivative.data()};
  RunProduct(kernels_->float32, shape, all, a.data(), b.data(), fused.data(), &gelu);
  ExpectClose(fused, z);
  ExpectClose(fused_derivative, derivative);
  const GeluEpilogue value_alone{bias.data(), nullptr};
  std::vector<float> again(h.size());
  RunProduct(kernels_->float32, shape, all, a.data(), b.data(), again.data(), &value_alone);
  EXPECT_EQ(again, fused);
}

TEST_P(ProductTest, AnActivatedProductAddsTheSquaresOfItsBlock) {
  const int64_t rows = 40, inner = 20, columns = 2 * kernels_->panel_columns + 3;
  const std::vector<float> wide_a = Random(rows * inner, 1), wide_b = Random(inner * columns, 2),
                           wide_bias = Random(columns, 3);
  const ProductShape shape{rows, inner, columns, inner, columns, columns, false};
  const ProductBlock block{3, 37, 1, 3};  // the second panel and the three columns of the last
  const auto expect = [&](const std::vector<float>& z, const std::vector<float>& squares, double allowed) {
    for (int64_t j = 0; j < columns; ++j) {
      double wanted = 1;  // what was there
      for (int64_t i = block.first_row; j >= kernels_->panel_columns && i < block.end_row; ++i)
        wanted += std::pow(z[i * columns + j], 2);
      EXPECT_NEAR(squares[j], wanted, allowed * wanted) << j;
    }
  };
  std::vector<float> squares(columns, 1.0f), z(rows * columns);
  const GeluEpilogue gelu{wide_bias.data(), nullptr, squares.data()};
  RunProduct(kernels_->float32, shape, block, wide_a.data(), wide_b.data(), z.data(), &gelu);
  expect(z, squares, 1e-5);

  const std::vector<uint16_t> a = ToBFloat16(wide_a), b = ToBFloat16(wide_b), bias = ToBFloat16(wide_bias);
  std::vector<uint16_t> short_z(rows * columns), derivative(rows * columns);
  squares.assign(columns, 1.0f);
  const GeluEpilogue short_gelu{bias.data(), derivative.data(), squares.data()};
  RunProduct(kernels_->bfloat16, shape, block, a.data(), b.data(), short_z.data(), &short_gelu);
  expect(ToFloat(short_z), squares, 8e-3);
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, ProductTest, testing::InstructionSets(),
                         testing::InstructionSetName);

}  // namespace
}  // namespace kprune
