#include "worker/configured_onnxruntime.h"

#include "engine/export/exports.h"

namespace kprune {

absl::StatusOr<std::unique_ptr<OnnxRuntime>> LoadConfiguredOnnxRuntime(const std::string& configured,
                                                                       const Options& options) {
  if (configured == "auto") {
    for (const char* name : {"libonnxruntime.so.1", "libonnxruntime.so"}) {
      absl::StatusOr<std::unique_ptr<OnnxRuntime>> found = OnnxRuntime::Load(name);
      if (found.ok()) return found;
    }
  } else if (configured != "none") {
    return OnnxRuntime::Load(configured);
  }
  if (options.require_verified != "onnxruntime") return nullptr;
  return absl::FailedPreconditionError(
      "require_verified is \"onnxruntime\", but this worker has no ONNX Runtime; its operator gives it one "
      "with --onnxruntime (or KPRUNE_ONNXRUNTIME) and the path of a libonnxruntime.so");
}

absl::StatusOr<std::unique_ptr<OnnxRuntime>> PrepareToExport(int64_t parameters,
                                                             const std::string& configured,
                                                             const Options& options) {
  if (absl::Status status = CheckExportable(parameters, options); !status.ok()) return status;
  return LoadConfiguredOnnxRuntime(configured, options);
}

}  // namespace kprune
