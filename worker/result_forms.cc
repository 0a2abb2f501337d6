#include "worker/result_forms.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "engine/evaluation/outputs.h"
#include "engine/export/exports.h"
#include "engine/model/dense_folder.h"
#include "kprune/layout.h"

namespace kprune {
namespace {

absl::Status WriteDense(const ModelFolder& original, const Encoder& pruned,
                        const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directory(path, error);
  if (error) return absl::InternalError(absl::StrCat("cannot create ", path.string(), ": ", error.message()));
  return WriteDenseFolder(original, pruned, path.string());
}

absl::StatusOr<VerifiedFormat> VerifyDense(const std::filesystem::path& path, const Options& options,
                                           absl::Span<const Sample> samples, const at::Tensor& expected_NC) {
  absl::StatusOr<ModelFolder> folder = OpenModelFolder(path.string(), options);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<Encoder> written = LoadEncoder(*folder, at::kCPU);
  if (!written.ok()) return written.status();
  return CompareOutputs("dense", "kprune " KPRUNE_VERSION, expected_NC, RunSamples(*written, samples));
}

}  // namespace

absl::Status WriteForms(const ModelFolder& original, const Encoder& pruned, const Options& options,
                        const std::filesystem::path& result) {
  absl::Status status = WriteExports(pruned, options, result);
  if (!status.ok() || !options.has_export("dense")) return status;
  return WriteDense(original, pruned, result / kDenseFolder);
}

absl::StatusOr<std::vector<VerifiedFormat>> VerifyForms(const std::filesystem::path& result,
                                                        const Encoder& encoder, const Options& options,
                                                        absl::Span<const Sample> samples,
                                                        const at::Tensor& expected_NC,
                                                        const OnnxRuntime* runtime) {
  absl::StatusOr<std::vector<VerifiedFormat>> verified =
      VerifyExports(result, encoder, samples, expected_NC, runtime);
  if (!verified.ok() || !std::filesystem::exists(result / kDenseFolder)) return verified;
  absl::StatusOr<VerifiedFormat> dense = VerifyDense(result / kDenseFolder, options, samples, expected_NC);
  if (!dense.ok()) return dense.status();
  verified->push_back(*std::move(dense));
  return verified;
}

}  // namespace kprune
