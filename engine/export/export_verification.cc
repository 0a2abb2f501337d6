#include "engine/export/export_verification.h"

#include <ATen/ATen.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "engine/export/exported_model.h"
#include "engine/export/exports.h"
#include "engine/formats/onnx/onnx_graph.h"

namespace kprune {
namespace {

// What `model`, once opened, gives for `samples`.
absl::StatusOr<at::Tensor> RunOpened(absl::StatusOr<std::unique_ptr<ExportedModel>> model,
                                     const ModelConfig& config, absl::Span<const Sample> samples) {
  if (!model.ok()) return model.status();
  return RunSamples(**model, config, samples);
}

}  // namespace

absl::StatusOr<VerifiedFormat> CompareOutputs(const std::string& format, const std::string& by,
                                              const at::Tensor& expected_NC, const at::Tensor& found_NC) {
  VerifiedFormat verified{format, by, std::nullopt,
                          kVerificationBound * std::max(1.0, expected_NC.abs().max().item<double>())};
  if (expected_NC.sizes() != found_NC.sizes()) {
    return absl::InternalError(absl::StrCat("the ", format, " model, run by ", by,
                                            ", gives outputs of another shape than the pruned one"));
  }
  verified.difference = (expected_NC - found_NC).abs().max().item<double>();
  if (std::isfinite(*verified.difference) && *verified.difference <= verified.bound) return verified;
  return absl::InternalError(absl::StrCat("the ", format, " model, run by ", by,
                                          ", differs from the pruned one by ", *verified.difference,
                                          ", accepted is ", verified.bound));
}

absl::StatusOr<std::vector<VerifiedFormat>> VerifyExports(const std::filesystem::path& folder,
                                                          const Encoder& encoder,
                                                          absl::Span<const Sample> samples,
                                                          const at::Tensor& expected_NC,
                                                          const OnnxRuntime* runtime) {
  std::vector<VerifiedFormat> verified;
  const auto compare = [&](const char* format, const std::string& by,
                           const absl::StatusOr<at::Tensor>& found) -> absl::Status {
    if (!found.ok()) return found.status();
    absl::StatusOr<VerifiedFormat> row = CompareOutputs(format, by, expected_NC, *found);
    if (row.ok()) verified.push_back(*std::move(row));
    return row.status();
  };
  if (const auto path = folder / kTorchScriptFile; std::filesystem::exists(path)) {
    absl::Status status = compare("torchscript", "LibTorch " TORCH_VERSION,
                                  RunOpened(OpenTorchScript(path, encoder), encoder.config, samples));
    if (!status.ok()) return status;
  }
  if (const auto path = folder / kOnnxFile; std::filesystem::exists(path)) {
    absl::Status status;
    if (runtime != nullptr) {
      status = compare("onnx", absl::StrCat("ONNX Runtime ", runtime->version()),
                       RunOpened(OpenOnnx(path, encoder, *runtime), encoder.config, samples));
    } else if (status = CheckOnnx(path); status.ok()) {
      verified.push_back({"onnx", "ONNX checker", std::nullopt, 0});
    }
    if (!status.ok()) return status;
  }
  return verified;
}

nlohmann::json VerificationJson(absl::Span<const VerifiedFormat> formats) {
  nlohmann::json rows = nlohmann::json::array(), by = nlohmann::json::array();
  double most = 0;
  for (const VerifiedFormat& row : formats) {
    by.push_back(row.by);
    if (row.difference) most = std::max(most, *row.difference);
    rows.push_back({{"format", row.format},
                    {"by", row.by},
                    {"max_difference", row.difference ? nlohmann::json(*row.difference) : nlohmann::json()},
                    {"bound", row.difference ? nlohmann::json(row.bound) : nlohmann::json()}});
  }
  return {{"verified_by", by}, {"max_difference", most}, {"formats", rows}};
}

}  // namespace kprune
