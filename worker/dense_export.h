// dense/ of a result: the pruned model in the original's shapes.
#ifndef KPRUNE_WORKER_DENSE_EXPORT_H_
#define KPRUNE_WORKER_DENSE_EXPORT_H_

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "engine/export/export_verification.h"
#include "engine/model/encoder.h"
#include "engine/model/model_folder.h"

namespace kprune {

// Writes `pruned` as dense/ of the result folder `result` where `options` ask for it.
absl::Status WriteDense(const ModelFolder& original, const Encoder& pruned, const Options& options,
                        const std::filesystem::path& result);

// Reads dense/ of `result`, where there is one, runs it on `samples`, whose outputs should be `expected_NC`,
// and adds a row to `verified`. `options` name the task. Errors are those of CompareOutputs and
// OpenModelFolder.
absl::Status VerifyDense(const std::filesystem::path& result, const Options& options,
                         absl::Span<const Sample> samples, const at::Tensor& expected_NC,
                         std::vector<VerifiedFormat>& verified);

}  // namespace kprune

#endif  // KPRUNE_WORKER_DENSE_EXPORT_H_
