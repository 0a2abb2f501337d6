#include "engine/cost/flops.h"

#include <numeric>
#include <vector>

#include "gtest/gtest.h"

namespace kprune {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix Filled(int64_t rows, int64_t columns) { return Matrix(rows, std::vector<double>(columns, 0.5)); }

// Counts the floating-point operations of the plain loops below: two per multiply-add.
struct CountingLoops {
  int64_t flops = 0;

  // a b^T
  Matrix Product(const Matrix& a, const Matrix& b) {
    Matrix result(a.size(), std::vector<double>(b.size()));
    for (size_t i = 0; i < a.size(); ++i) {
      for (size_t j = 0; j < b.size(); ++j) {
        for (size_t k = 0; k < a[i].size(); ++k) {
          result[i][j] += a[i][k] * b[j][k];
          flops += 2;
        }
      }
    }
    return result;
  }

  // One head's part of an attention sublayer's output, softmax left out as the paper does.
  Matrix Head(const Matrix& x, int64_t d, int64_t h) {
    const Matrix query = Product(x, Filled(h, d)), key = Product(x, Filled(h, d)),
                 value = Product(x, Filled(h, d));
    const Matrix scores = Product(query, key);
    Matrix value_t(h, std::vector<double>(x.size()));
    for (size_t s = 0; s < x.size(); ++s) {
      for (int64_t i = 0; i < h; ++i) value_t[i][s] = value[s][i];
    }
    return Product(Product(scores, value_t), Filled(d, h));
  }

  // One neuron's part of a feed-forward sublayer's output.
  Matrix Neuron(const Matrix& x, int64_t d) { return Product(Product(x, Filled(1, d)), Filled(d, 1)); }
};

ModelConfig Config(int64_t d, int64_t h, std::vector<int> heads, std::vector<int> neurons) {
  ModelConfig config;
  config.hidden_size = static_cast<int>(d);
  config.head_dim = static_cast<int>(h);
  for (int count : heads) config.heads.emplace_back(count);
  for (int count : neurons) config.neurons.emplace_back(count);
  return config;
}

TEST(FlopsTest, Examples) {
  // BERT-base at 128 tokens: 12 layers of 12 heads and 3072 neurons.
  const ModelConfig base = Config(768, 64, std::vector<int>(12, 12), std::vector<int>(12, 3072));
  EXPECT_EQ(HeadFlops(128, 768, 64), 8.0 * 128 * 768 * 64 + 4.0 * 128 * 128 * 64);
  EXPECT_EQ(NeuronFlops(128, 768), 4.0 * 128 * 768);
  EXPECT_NEAR(EncoderFlops(base, 128) / 1e9, 22.35, 0.01);  // the well-known 22.4 GFLOPs
}

TEST(FlopsTest, CountsWhatPlainLoopsDo) {
  for (const auto& [s, d, h] :
       std::vector<std::tuple<int64_t, int64_t, int64_t>>{{1, 4, 2}, {7, 12, 3}, {16, 8, 8}, {5, 32, 4}}) {
    CountingLoops head, neuron;
    const Matrix x = Filled(s, d);
    ASSERT_EQ(head.Head(x, d, h).size(), static_cast<size_t>(s));
    neuron.Neuron(x, d);
    EXPECT_EQ(HeadFlops(static_cast<double>(s), d, h), static_cast<double>(head.flops));
    EXPECT_EQ(NeuronFlops(static_cast<double>(s), d), static_cast<double>(neuron.flops));
  }
}

TEST(FlopsTest, AnEncoderIsTheSumOfItsUnits) {
  const int64_t s = 6, d = 8, h = 2;
  const ModelConfig pruned = Config(d, h, {3, 0}, {5, 2});
  CountingLoops loops;
  const Matrix x = Filled(s, d);
  for (int i = 0; i < 3; ++i) loops.Head(x, d, h);
  for (int i = 0; i < 7; ++i) loops.Neuron(x, d);
  EXPECT_EQ(EncoderFlops(pruned, s), static_cast<double>(loops.flops));
  EXPECT_EQ(UnitFlops(pruned, 0, s), HeadFlops(s, d, h));
  EXPECT_EQ(UnitFlops(pruned, 1, s), NeuronFlops(s, d));
  EXPECT_EQ(EncoderFlops(Config(d, h, {0, 0}, {0, 0}), s), 0);
}

TEST(FlopsTest, PicturesCountAsTheirTokensDo) {
  // ViT-base: 196 patches and one token before them, at the well-known 17.6 G multiply-adds with the patches'
  // projection, which is no unit's.
  const ModelConfig base = Config(768, 64, std::vector<int>(12, 12), std::vector<int>(12, 3072));
  const PatchConfig patches{{3, 224, 224}, 16, 16, 1};
  const double projection = 2.0 * 196 * 768 * static_cast<double>(patches.values());
  EXPECT_EQ(patches.tokens(), 197);
  EXPECT_NEAR((EncoderFlops(base, 197) + projection) / 2e9, 17.56, 0.01);
}

TEST(FlopsTest, GatedNeuronsHaveTwoRowsOfTheInputProjection) {
  static constexpr Family kGated{.model_type = "", .class_prefix = "", .prefix = "", .gated_ffn = true};
  const int64_t s = 6, d = 8;
  ModelConfig config = Config(d, 2, {0}, {3});
  config.family = &kGated;
  CountingLoops loops;
  const Matrix x = Filled(s, d);
  for (int i = 0; i < 3; ++i) {
    loops.Neuron(x, d);
    loops.Product(x, Filled(1, d));
  }
  EXPECT_EQ(EncoderFlops(config, s), static_cast<double>(loops.flops));
}

TEST(FlopsTest, LocalLayersCountTheirWindow) {
  const int64_t s = 20, d = 8, h = 4;
  ModelConfig config = Config(d, h, {1, 1}, {0, 0});
  config.attention = {.window = 2, .local = {false, true}};
  // Of a query in the middle: 5 keys, and as many values.
  CountingLoops window;
  window.Product(Filled(1, h), Filled(5, h));
  window.Product(Filled(1, 5), Filled(h, 5));
  EXPECT_EQ(UnitFlops(config, 2, s), 8 * s * d * h + s * window.flops);
  EXPECT_EQ(UnitFlops(config, 0, s), HeadFlops(s, d, h));
  EXPECT_EQ(UnitFlops(config, 2, 4), HeadFlops(4, d, h)) << "shorter than the window";
}

TEST(FlopsTest, DebertaCountsTheProductsWithRelativePositions) {
  const int64_t s = 6, d = 8, h = 4, span = 3;
  ModelConfig config = Config(d, h, {1}, {0});
  config.attention = {.local = {false}, .span = span, .as_keys = true, .as_queries = true};
  CountingLoops loops;
  loops.Head(Filled(s, d), d, h);
  for (int kind = 0; kind < 2; ++kind) loops.Product(Filled(s, h), Filled(2 * span, h));
  EXPECT_EQ(UnitFlops(config, 0, s), static_cast<double>(loops.flops));
}

TEST(FlopsTest, TakesFractionalMeanLengths) {
  EXPECT_DOUBLE_EQ(NeuronFlops(25.5, 384), (NeuronFlops(25, 384) + NeuronFlops(26, 384)) / 2);
  EXPECT_DOUBLE_EQ(HeadFlops(25.16, 384, 32), 8 * 25.16 * 384 * 32 + 4 * 25.16 * 25.16 * 32);
}

}  // namespace
}  // namespace kprune
