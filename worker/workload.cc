#include "worker/workload.h"

#include <algorithm>

#include "worker/devices.h"

namespace kprune {

Workload WorkloadOf(int64_t parameters, absl::Span<const Sample> samples, const Options& options,
                    at::Device device) {
  Workload workload;
  workload.parameters = parameters;
  for (const Sample& sample : samples) {
    const auto tokens = sample.tokens();
    workload.tokens += tokens;
    workload.longest = std::max(workload.longest, tokens);
    if (sample.image != nullptr) workload.image_bytes += sample.image->bytes();
  }
  if (options.method == "refit") workload.tokens *= 1 + options.variants;
  workload.device = device;
  workload.compute_type = ComputeType(options.precision, device);
  workload.free_bytes = FreeMemoryBytes(device);
  workload.host_free_bytes = FreeMemoryBytes(at::kCPU);
  return workload;
}

}  // namespace kprune
