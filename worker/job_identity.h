// What makes a checkpoint that of a job, and how this machine would begin it.
#ifndef KPRUNE_WORKER_JOB_IDENTITY_H_
#define KPRUNE_WORKER_JOB_IDENTITY_H_

#include "engine/evaluation/report.h"
#include "engine/model/model_config.h"
#include "engine/pruning/checkpoint.h"
#include "engine/pruning/execution_plan.h"
#include "worker/job_file.h"

namespace kprune {

// `report` holds the digests of the inputs and the device. Measures the rounding where the job's options say
// so; else the same at every call.
CheckpointIdentity IdentityOf(const WorkerJob& job, const ReportContents& report, const ModelConfig& config,
                              const Workload& workload);

}  // namespace kprune

#endif  // KPRUNE_WORKER_JOB_IDENTITY_H_
