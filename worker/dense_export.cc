#include "worker/dense_export.h"

#include <ATen/ATen.h>

#include "absl/strings/str_cat.h"
#include "engine/evaluation/outputs.h"
#include "engine/model/dense_folder.h"
#include "kprune/layout.h"

namespace kprune {

absl::Status WriteDense(const ModelFolder& original, const Encoder& pruned, const Options& options,
                        const std::filesystem::path& result) {
  if (!options.has_export("dense")) return absl::OkStatus();
  const std::filesystem::path path = result / kDenseFolder;
  std::error_code error;
  std::filesystem::create_directory(path, error);
  if (error) return absl::InternalError(absl::StrCat("cannot create ", path.string(), ": ", error.message()));
  return WriteDenseFolder(original, pruned, path.string());
}

absl::Status VerifyDense(const std::filesystem::path& result, const Options& options,
                         absl::Span<const Sample> samples, const at::Tensor& expected_NC,
                         std::vector<VerifiedFormat>& verified) {
  const std::filesystem::path path = result / kDenseFolder;
  if (!std::filesystem::exists(path)) return absl::OkStatus();
  absl::StatusOr<ModelFolder> folder = OpenModelFolder(path.string(), options);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<Encoder> written = LoadEncoder(*folder, at::kCPU);
  if (!written.ok()) return written.status();
  absl::StatusOr<VerifiedFormat> row =
      CompareOutputs("dense", "kprune " KPRUNE_VERSION, expected_NC, RunSamples(*written, samples));
  if (row.ok()) verified.push_back(*std::move(row));
  return row.status();
}

}  // namespace kprune
