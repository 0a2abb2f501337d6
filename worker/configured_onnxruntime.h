// The ONNX Runtime that this worker's operator has given it.
#ifndef KPRUNE_WORKER_CONFIGURED_ONNXRUNTIME_H_
#define KPRUNE_WORKER_CONFIGURED_ONNXRUNTIME_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "engine/formats/onnxruntime.h"
#include "kprune/options.h"

namespace kprune {

// `configured` is a library, "auto" (the loader's libonnxruntime.so, where there is one) or "none". Null
// where there is none. NOT_FOUND: a library that was named cannot be loaded. FAILED_PRECONDITION: there is
// none, and the job requires it.
absl::StatusOr<std::unique_ptr<OnnxRuntime>> LoadConfiguredOnnxRuntime(const std::string& configured,
                                                                       const Options& options);

// The same before any work on a model of so many parameters; also refuses what CheckExportable refuses.
absl::StatusOr<std::unique_ptr<OnnxRuntime>> PrepareToExport(int64_t parameters,
                                                             const std::string& configured,
                                                             const Options& options);

}  // namespace kprune

#endif  // KPRUNE_WORKER_CONFIGURED_ONNXRUNTIME_H_
