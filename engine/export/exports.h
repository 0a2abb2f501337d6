// The forms of a model that other programs load, beside its Hugging Face folder.
#ifndef KPRUNE_ENGINE_EXPORT_EXPORTS_H_
#define KPRUNE_ENGINE_EXPORT_EXPORTS_H_

#include <cstdint>
#include <filesystem>

#include "absl/status/status.h"
#include "engine/model/encoder.h"
#include "kprune/options.h"

namespace kprune {

// Where a result folder has them.
inline constexpr char kOnnxFile[] = "onnx/model.onnx";
inline constexpr char kTorchScriptFile[] = "model.torchscript.pt";
inline constexpr char kTritonConfigFile[] = "triton/model/config.pbtxt";
inline constexpr char kTritonModelFile[] = "triton/model/1/model.onnx";

// Writes into `folder` what options.exports asks for of ONNX, TorchScript and Triton. INTERNAL,
// FAILED_PRECONDITION: those of OnnxGraph::Write.
absl::Status WriteExports(const Encoder& encoder, const Options& options,
                          const std::filesystem::path& folder);

// Before any work: FAILED_PRECONDITION where a model of so many parameters is too large for what
// options.exports asks for.
absl::Status CheckExportable(int64_t parameters, const Options& options);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EXPORT_EXPORTS_H_
