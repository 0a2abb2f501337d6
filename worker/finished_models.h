// The result of a job that made several models.
#ifndef KPRUNE_WORKER_FINISHED_MODELS_H_
#define KPRUNE_WORKER_FINISHED_MODELS_H_

#include <vector>

#include "absl/status/status.h"
#include "engine/evaluation/pareto.h"
#include "kprune/options.h"
#include "worker/drop_search.h"
#include "worker/job_checkpoint.h"
#include "worker/result_folder.h"

namespace kprune {

// Moves every model from the checkpoint to a folder of its own, and writes the report that compares them.
// `seconds`: what the job took. INTERNAL where a file cannot be read or written.
absl::Status AssembleAll(const std::vector<ReportedModel>& models, const JobCheckpoint& checkpoint,
                         const Options& options, double seconds, ResultFolder& folder);

// Moves the model that max_drop asks for; its report says what all those that were tried lost. Errors are
// those of DropSearch::Smallest, too.
absl::Status TakeSmallest(std::vector<ReportedModel>& models, const DropSearch& search,
                          const JobCheckpoint& checkpoint, double seconds, ResultFolder& folder);

}  // namespace kprune

#endif  // KPRUNE_WORKER_FINISHED_MODELS_H_
