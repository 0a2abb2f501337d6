// A job's workload and how it will be carried out on this machine.
#ifndef KPRUNE_WORKER_WORKLOAD_H_
#define KPRUNE_WORKER_WORKLOAD_H_

#include <c10/core/Device.h>

#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/pruning/execution_plan.h"
#include "kprune/options.h"

namespace kprune {

// What pruning a model of `parameters` values with `samples` on `device` takes hold of.
Workload WorkloadOf(int64_t parameters, absl::Span<const Sample> samples, const Options& options,
                    at::Device device);

}  // namespace kprune

#endif  // KPRUNE_WORKER_WORKLOAD_H_
