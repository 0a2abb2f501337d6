#include "engine/export/exports.h"

#include "absl/strings/str_cat.h"
#include "engine/export/exported_model.h"
#include "engine/export/onnx_export.h"
#include "engine/export/torchscript_export.h"
#include "engine/formats/file.h"
#include "engine/formats/onnx/onnx_graph.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;

// Sequences that Triton may put together in one request to the model.
constexpr int kTritonBatch = 64;

std::string TritonTensor(const char* name, const char* type, const std::string& shape) {
  return absl::StrCat("  {\n    name: \"", name, "\"\n    data_type: ", type, "\n    dims: [ ", shape,
                      " ]\n  }");
}

// Of one sequence, or of one sample's choices.
std::string TritonOutputDims(const ModelConfig& config) {
  if (config.task == Task::kQuestionAnswering || config.task == Task::kMultipleChoice) return "-1";
  return absl::StrCat(HasTokenOutputs(config.task) ? "-1, " : "", config.num_labels);
}

std::string TritonInputs(const Encoder& encoder) {
  if (const auto& patches = encoder.config.patches) {
    const ImageShape& shape = patches->image;
    return TritonTensor("pixel_values", "TYPE_FP32",
                        absl::StrCat(shape.channels, ", ", shape.height, ", ", shape.width));
  }
  const char* const dims = encoder.config.task == Task::kMultipleChoice ? "-1, -1" : "-1";
  std::string inputs = absl::StrCat(TritonTensor("input_ids", "TYPE_INT64", dims), ",\n",
                                    TritonTensor("attention_mask", "TYPE_INT64", dims));
  if (encoder.takes_token_types())
    absl::StrAppend(&inputs, ",\n", TritonTensor("token_type_ids", "TYPE_INT64", dims));
  return inputs;
}

// https://docs.nvidia.com/deeplearning/triton-inference-server: model configuration. The first dimension of
// every tensor is the batch, which dims leave out.
std::string TritonConfig(const Encoder& encoder) {
  std::string outputs;
  for (const std::string& name : OutputNames(encoder.config)) {
    absl::StrAppend(&outputs, outputs.empty() ? "" : ",\n",
                    TritonTensor(name.c_str(), "TYPE_FP32", TritonOutputDims(encoder.config)));
  }
  return absl::StrCat("name: \"model\"\nplatform: \"onnxruntime_onnx\"\nmax_batch_size: ", kTritonBatch,
                      "\ninput [\n", TritonInputs(encoder), "\n]\noutput [\n", outputs,
                      "\n]\ndynamic_batching { }\n");
}

absl::Status WriteTriton(const Encoder& encoder, const fs::path& folder) {
  const absl::StatusOr<std::string> model = ReadFile(folder / kOnnxFile, kMostOnnxBytes);
  if (!model.ok()) return model.status();
  fs::create_directories((folder / kTritonModelFile).parent_path());
  if (absl::Status status = WriteFileDurably(folder / kTritonModelFile, *model); !status.ok()) return status;
  return WriteFileDurably(folder / kTritonConfigFile, TritonConfig(encoder));
}

}  // namespace

absl::Status WriteExports(const Encoder& encoder, const Options& options, const fs::path& folder) {
  if (options.has_export("torchscript")) {
    absl::Status status = WriteTorchScript(encoder, folder / kTorchScriptFile);
    if (!status.ok()) return status;
  }
  if (options.has_export("onnx")) {
    fs::create_directories((folder / kOnnxFile).parent_path());
    if (absl::Status status = WriteOnnx(encoder, folder / kOnnxFile); !status.ok()) return status;
  }
  return options.has_export("triton") ? WriteTriton(encoder, folder) : absl::OkStatus();
}

absl::Status CheckExportable(int64_t parameters, const Options& options) {
  const auto bytes = static_cast<double>(OnnxBytes(parameters)) * options.largest_keep();
  if (!options.has_export("onnx") || bytes <= static_cast<double>(kMostOnnxBytes)) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("the model's ONNX file would have some ", static_cast<int64_t>(bytes),
                   " bytes, and one file holds at most ", kMostOnnxBytes, "; leave onnx out of export"));
}

}  // namespace kprune
