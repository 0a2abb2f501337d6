#include "engine/pruning/streams.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "tests/engine/pruning/random_encoder.h"

namespace kprune {
namespace {

// The streams' slow twin: both models from the embeddings.
TEST(StreamsTest, HoldTheHiddenStatesAtTheTargetOfBothModels) {
  c10::NoGradGuard no_grad;
  const Encoder teacher = testing::RandomEncoder();
  Encoder student = teacher;
  const std::vector<Sample> samples = testing::RandomSamples(6);
  const std::vector<Batch> batches = MakeBatches(samples, 3, "file", at::kCPU);
  absl::StatusOr<Streams> streams = Streams::Create(teacher, batches.back().end(), Place::kDevice, "");
  ASSERT_TRUE(streams.ok()) << streams.status();
  for (const Batch& batch : batches) ASSERT_TRUE(streams->Embed(batch).ok());
  for (int t = 0; t < 3; ++t) {
    student.Keep(t, {1});
    for (const Batch& batch : batches) {
      ASSERT_TRUE(streams->AdvanceTeacherToOutput(t, batch).ok());
      const at::Tensor z = t == 1 ? student.Features(t, *streams->student(batch), batch) : at::Tensor();
      ASSERT_TRUE(streams->Advance(student, t, batch, z).ok());
    }
  }
  for (const Batch& batch : batches) {
    at::Tensor x = teacher.Embed(batch), y = x;
    for (int t = 0; t < 3; ++t) {
      x = student.Forward(t, x, batch);
      y = teacher.Norm(t, teacher.PreNorm(t, y, teacher.Features(t, y, batch)));
    }
    EXPECT_TRUE(at::equal(*streams->student(batch), x));
    const at::Tensor next = teacher.PreNorm(3, y, teacher.Features(3, y, batch));
    EXPECT_TRUE(at::equal(*streams->AdvanceTeacherToOutput(3, batch), next));
  }
}

}  // namespace
}  // namespace kprune
