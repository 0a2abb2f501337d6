// Whether the exported forms of a model compute what the model computes.
#ifndef KPRUNE_ENGINE_EXPORT_EXPORT_VERIFICATION_H_
#define KPRUNE_ENGINE_EXPORT_EXPORT_VERIFICATION_H_

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/data/samples.h"
#include "engine/formats/onnxruntime.h"
#include "engine/model/encoder.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Exports compute in float32, as the model does: outputs differ by at most this much of the largest value.
inline constexpr double kVerificationBound = 1e-4;

struct VerifiedFormat {
  std::string format;                // "safetensors", "torchscript" or "onnx"
  std::string by;                    // who ran or read it, with its version
  std::optional<double> difference;  // the largest of any output; nothing where it was only read
  double bound = 0;                  // what it may be
};

// The difference of outputs [N, C], as a row of the table. INTERNAL where it is over the bound.
absl::StatusOr<VerifiedFormat> CompareOutputs(const std::string& format, const std::string& by,
                                              const at::Tensor& expected_NC, const at::Tensor& found_NC);

// Runs whichever of kOnnxFile and kTorchScriptFile (exports.h) `folder` has on `samples`, whose outputs
// `encoder` says are `expected_NC`. ONNX is run where there is a `runtime`, else read and checked. INTERNAL:
// one computes something else; DATA_LOSS: one cannot be read.
absl::StatusOr<std::vector<VerifiedFormat>> VerifyExports(const std::filesystem::path& folder,
                                                          const Encoder& encoder,
                                                          absl::Span<const Sample> samples,
                                                          const at::Tensor& expected_NC,
                                                          const OnnxRuntime* runtime);

// {"verified_by": ["engine", ...], "max_difference": ..., "formats": [{"format", "by", "max_difference",
// "bound"}]}
nlohmann::json VerificationJson(absl::Span<const VerifiedFormat> formats);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_EXPORT_VERIFICATION_H_
