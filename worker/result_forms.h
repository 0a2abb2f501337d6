// Every form of a pruned model that a result has beside model.safetensors.
#ifndef KPRUNE_WORKER_RESULT_FORMS_H_
#define KPRUNE_WORKER_RESULT_FORMS_H_

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/export/export_verification.h"
#include "engine/model/encoder.h"
#include "engine/model/model_folder.h"

namespace kprune {

// Writes those that `options` ask for into the result folder `result`: WriteExports, and dense/, which is
// `pruned` in the shapes of `original`.
absl::Status WriteForms(const ModelFolder& original, const Encoder& pruned, const Options& options,
                        const std::filesystem::path& result);

// Reads all that `result` has and runs them on `samples`, whose outputs `encoder` says are `expected_NC`:
// VerifyExports, and dense/ as a folder of the task that `options` name. Errors are those of VerifyExports
// and OpenModelFolder.
absl::StatusOr<std::vector<VerifiedFormat>> VerifyForms(const std::filesystem::path& result,
                                                        const Encoder& encoder, const Options& options,
                                                        absl::Span<const Sample> samples,
                                                        const at::Tensor& expected_NC,
                                                        const OnnxRuntime* runtime);

}  // namespace kprune

#endif  // KPRUNE_WORKER_RESULT_FORMS_H_
