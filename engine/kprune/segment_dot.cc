#include "engine/kprune/segment_dot.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

namespace kprune {
namespace {

at::Tensor SegmentDotCpu(const at::Tensor& features_TU, const at::Tensor& gradient_TU, const Batch& batch) {
  const at::Tensor z_TU = features_TU.contiguous(), g_TU = gradient_TU.contiguous();
  const int64_t units = z_TU.size(1);
  at::Tensor sums_NU = at::zeros({batch.size(), units}, z_TU.options());
  const float* z = z_TU.const_data_ptr<float>();
  const float* g = g_TU.const_data_ptr<float>();
  float* sums = sums_NU.mutable_data_ptr<float>();
  at::parallel_for(0, batch.size(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      float* row = sums + n * units;
      for (int64_t t = batch.offsets[n]; t < batch.offsets[n + 1]; ++t) {
        const float* z_row = z + t * units;
        const float* g_row = g + t * units;
        for (int64_t u = 0; u < units; ++u) row[u] += z_row[u] * g_row[u];
      }
    }
  });
  return sums_NU;
}

}  // namespace

at::Tensor SegmentDot(const at::Tensor& features_TU, const at::Tensor& gradient_TU, const Batch& batch) {
  if (features_TU.is_cpu() && features_TU.scalar_type() == at::kFloat) {
    return SegmentDotCpu(features_TU, gradient_TU, batch);
  }
  const at::Tensor product_TU = (features_TU * gradient_TU).to(at::kFloat);
  return at::segment_reduce(product_TU, "sum", /*lengths=*/batch.offsets_device.diff(),
                            /*indices=*/std::nullopt,
                            /*offsets=*/std::nullopt, /*axis=*/0);
}

}  // namespace kprune
