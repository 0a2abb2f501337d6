#include "engine/model/batch.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "tests/engine/model/tiny_encoder.h"

namespace kprune {
namespace {

std::vector<Sample> Samples(const std::vector<int>& lengths) {
  ModelConfig config;
  config.vocab_size = 50;
  config.type_vocab_size = 2;
  return SamplesOfLengths(lengths, config);
}

std::vector<std::vector<int64_t>> MembersOf(const std::vector<Batch>& batches) {
  std::vector<std::vector<int64_t>> members;
  for (const Batch& batch : batches) members.push_back(batch.samples);
  return members;
}

using Members = std::vector<std::vector<int64_t>>;

TEST(BatchTest, Examples) {
  const std::vector<Sample> samples = Samples({3, 1, 2});
  const Batch batch = MakeBatches(samples, 8, "file", at::kCPU)[0];
  EXPECT_EQ(batch.size(), 3);
  EXPECT_EQ(batch.tokens(), 6);
  EXPECT_EQ(batch.longest, 3);
  EXPECT_EQ(batch.offsets, (std::vector<int64_t>{0, 3, 4, 6}));
  EXPECT_TRUE(at::equal(batch.positions_T, at::tensor({0, 1, 2, 0, 0, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(batch.slots_T, at::tensor({0, 1, 2, 3, 6, 7}, at::kLong)));

  // Padding is zeros to the right, and -inf in the mask that attention adds to its scores.
  const at::Tensor x = at::arange(1, 7, at::kFloat).view({6, 1});
  const at::Tensor padded = at::tensor({1.f, 2.f, 3.f, 4.f, 0.f, 0.f, 5.f, 6.f, 0.f}).view({3, 3, 1});
  EXPECT_TRUE(at::equal(batch.Pad(x), padded));
  EXPECT_TRUE(at::equal(batch.Unpad(padded), x));
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(at::equal(batch.mask_N11S.view({3, 3}),
                        at::tensor({0.f, 0.f, 0.f, 0.f, -inf, -inf, 0.f, 0.f, -inf}).view({3, 3})));
}

TEST(BatchTest, TokensAreThoseOfItsSamplesInOrder) {
  const std::vector<Sample> samples = Samples({4, 1, 7, 2, 2});
  for (const char* order : {"length", "file"}) {
    for (const Batch& batch : MakeBatches(samples, 2, order, at::kCPU)) {
      for (int64_t n = 0; n < batch.size(); ++n) {
        const Sample& sample = samples[batch.samples[n]];
        ASSERT_EQ(batch.offsets[n + 1] - batch.offsets[n], static_cast<int64_t>(sample.input_ids.size()));
        for (int64_t s = 0; s < batch.offsets[n + 1] - batch.offsets[n]; ++s) {
          const int64_t token = batch.offsets[n] + s;
          EXPECT_EQ(batch.input_ids_T[token].item<int64_t>(), sample.input_ids[s]);
          EXPECT_EQ(batch.token_type_ids_T[token].item<int64_t>(), sample.token_type_ids[s]);
          EXPECT_EQ(batch.positions_T[token].item<int64_t>(), s);
        }
      }
    }
  }
}

TEST(BatchTest, PadAndUnpadAreInverse) {
  for (const std::vector<int>& lengths : {std::vector<int>{5, 5, 5}, {1, 9, 4, 9}, {1}, {6, 1}}) {
    const Batch batch = MakeBatches(Samples(lengths), 8, "file", at::kCPU)[0];
    const at::Tensor x = at::randn({batch.tokens(), 3}, at::make_generator<at::CPUGeneratorImpl>(7));
    EXPECT_EQ(batch.Pad(x).sizes(), (at::IntArrayRef{batch.size(), batch.longest, 3}));
    EXPECT_TRUE(at::equal(batch.Unpad(batch.Pad(x)), x));
    EXPECT_EQ(batch.Pad(x).sum(at::kDouble).item<double>(), x.sum(at::kDouble).item<double>());
  }
}

TEST(BatchTest, UniformBatchesHaveNoPaddingAndNoMask) {
  EXPECT_FALSE(MakeBatches(Samples({5, 5, 5}), 8, "file", at::kCPU)[0].padded());
  EXPECT_FALSE(MakeBatches(Samples({9}), 8, "file", at::kCPU)[0].padded());
  EXPECT_TRUE(MakeBatches(Samples({5, 5, 4}), 8, "file", at::kCPU)[0].padded());
}

TEST(BatchTest, OrderIsByRisingLengthOrByFile) {
  const std::vector<Sample> samples = Samples({4, 2, 9, 2, 1});
  EXPECT_EQ(MembersOf(MakeBatches(samples, 2, "file", at::kCPU)), (Members{{0, 1}, {2, 3}, {4}}));
  // Ties in file order: 1 before 3.
  EXPECT_EQ(MembersOf(MakeBatches(samples, 2, "length", at::kCPU)), (Members{{4, 1}, {3, 0}, {2}}));
  EXPECT_EQ(MembersOf(MakeBatches(samples, 100, "length", at::kCPU)), (Members{{4, 1, 3, 0, 2}}));
  EXPECT_TRUE(MakeBatches({}, 2, "length", at::kCPU).empty());
}

TEST(BatchTest, BatchesAreAboutEquallyLarge) {
  const std::vector<Sample> samples = Samples({4, 4, 4, 4, 4, 4, 4, 4});
  const auto members = [&](int64_t max_tokens, int64_t multiple) {
    return MembersOf(MakeBatches(samples, kAnyNumber, "file", at::kCPU, max_tokens, multiple));
  };
  EXPECT_EQ(members(20, 1), (Members{{0, 1, 2, 3}, {4, 5, 6, 7}}));
  EXPECT_EQ(members(100, 1), (Members{{0, 1, 2, 3, 4, 5, 6, 7}}));
  EXPECT_EQ(members(100, 2), (Members{{0, 1, 2, 3}, {4, 5, 6, 7}}));
  EXPECT_EQ(members(12, 2), (Members{{0, 1}, {2, 3}, {4, 5}, {6, 7}}));
  EXPECT_EQ(members(3, 1).size(), 8);  // at least one sample
  EXPECT_EQ(members(3, 3).size(), 8);  // and no more batches than samples
}

TEST(BatchTest, BatchingDoesNotChangeOutputs) {
  const Encoder encoder = TinyEncoder({.task = "text-classification", .labels = 3});
  const std::vector<Sample> samples = SamplesOfLengths({8, 3, 8, 20, 3, 1, 11}, encoder.config);
  at::Tensor reference;
  for (const char* order : {"length", "file"}) {
    for (int size : {1, 2, 3, 7}) {  // size 1: every batch is uniform
      at::Tensor outputs = at::empty({7, 3});
      for (const Batch& batch : MakeBatches(samples, size, order, at::kCPU))
        outputs.index_copy_(0, at::tensor(batch.samples, at::kLong), encoder.Run(batch));
      if (!reference.defined()) reference = outputs;
      EXPECT_LT(LargestDifference(outputs, reference), 1e-5) << order << " " << size;
    }
  }
}

TEST(BatchTest, PaddingIsDifferentiable) {
  const Batch batch = MakeBatches(Samples({2, 4}), 8, "file", at::kCPU)[0];
  at::Tensor x = at::randn({6, 2}, at::make_generator<at::CPUGeneratorImpl>(3)).requires_grad_(true);
  batch.Unpad(batch.Pad(x) * 3).square().sum().backward();
  EXPECT_LT(LargestDifference(x.grad(), 18 * x.detach()), 1e-5);
}

TEST(BatchTest, ChoicesOfASampleStayTogetherInTheirOrder) {
  std::vector<Sample> samples = Samples({5, 1, 2, 2, 9, 1});
  for (size_t i = 0; i < samples.size(); ++i) samples[i].choice = static_cast<int32_t>(i % 2);
  const std::vector<Batch> batches = MakeBatches(samples, kAnyNumber, "length", at::kCPU, /*max_tokens=*/10);
  EXPECT_EQ(MembersOf(batches), (Members{{2, 3, 0, 1}, {4, 5}}));
  EXPECT_EQ(batches[0].sample_offsets, (std::vector<int64_t>{0, 2, 4}));
  EXPECT_TRUE(at::equal(batches[0].sample_of_N, at::tensor({0, 0, 1, 1}, at::kLong)));
  EXPECT_EQ(batches[0].num_samples(), 2);
  EXPECT_EQ(batches[0].group_size, 3);
}

TEST(BatchTest, TokensThatCountAreFoundAmongAllTokens) {
  std::vector<Sample> samples = Samples({3, 2, 4});
  const Batch all = MakeBatches(samples, 8, "file", at::kCPU)[0];
  EXPECT_FALSE(all.positions_R.defined());
  EXPECT_EQ(all.row_offsets, all.offsets);
  samples[0].positions = {0, 2};
  samples[2].positions = {3};
  const Batch some = MakeBatches(samples, 8, "file", at::kCPU)[0];
  EXPECT_TRUE(at::equal(some.positions_R, at::tensor({0, 2, 3, 4, 8}, at::kLong)));
  EXPECT_EQ(some.row_offsets, (std::vector<int64_t>{0, 2, 4, 5}));
  EXPECT_FALSE(some.sample_of_N.defined());
}

}  // namespace
}  // namespace kprune
