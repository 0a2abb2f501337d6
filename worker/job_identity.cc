#include "worker/job_identity.h"

#include <ATen/Parallel.h>
#include <torch/headeronly/version.h>

#include "engine/cost/rounding.h"
#include "engine/formats/options_json.h"
#include "engine/kernels/kernels.h"

namespace kprune {

CheckpointIdentity IdentityOf(const WorkerJob& job, const ReportContents& report, const ModelConfig& config,
                              const Workload& workload) {
  CheckpointIdentity identity;
  identity.job = {{"version", KPRUNE_VERSION},
                  {"libtorch", TORCH_VERSION},
                  {"instructions", CpuKernels().instructions},
                  {"inputs", report.inputs},
                  {"options", ToJson(job.options)},
                  {"device", report.device},
                  {"device_name", report.device_name}};
  identity.threads = at::get_num_threads();
  identity.precision = workload.compute_type == at::kBFloat16 ? "bf16" : "fp32";
  identity.rounding =
      ToString(job.options.round == "auto" ? MeasureRounding(config, workload.device)
                                           : RoundingFor(job.options, config, workload.device));
  identity.memory_limit_bytes = job.options.memory_limit_bytes;
  return identity;
}

}  // namespace kprune
