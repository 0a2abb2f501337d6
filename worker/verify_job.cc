// RunVerify: does a pruned folder still hold what its report says?
#include <ATen/ATen.h>

#include <cmath>
#include <functional>

#include "absl/strings/str_cat.h"
#include "engine/cost/flops.h"
#include "engine/cost/latency.h"
#include "engine/evaluation/outputs.h"
#include "engine/export/export_verification.h"
#include "engine/formats/json.h"
#include "kprune/layout.h"
#include "kprune/worker_protocol.h"
#include "worker/configured_onnxruntime.h"
#include "worker/devices.h"
#include "worker/inputs.h"
#include "worker/jobs.h"
#include "worker/model_facts.h"
#include "worker/provenance_check.h"
#include "worker/result_folder.h"
#include "worker/result_forms.h"

namespace kprune {
namespace {

using nlohmann::json;

// A number of the report, by its path.
absl::StatusOr<double> ReportedNumber(const json& report, const char* pointer) {
  const json::json_pointer path(pointer);
  if (!report.contains(path) || !report.at(path).is_number()) {
    return absl::DataLossError(absl::StrCat("report.json has no number at ", pointer));
  }
  return report.at(path).get<double>();
}

// Refuses where the report's number is not `found`.
absl::Status Expect(const json& report, const char* pointer, double found, const char* what) {
  absl::StatusOr<double> reported = ReportedNumber(report, pointer);
  if (!reported.ok()) return reported.status();
  if (std::abs(*reported - found) <= 1e-6 * std::abs(found)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("report.json says ", *reported, " ", what,
                                          ", but the folder holds ", found,
                                          "; it was changed after pruning"));
}

// The job's options with the task that the folder was pruned for.
Options ReportedOptions(const json& report, Options options) {
  const auto task = report.find("task");
  if (options.task == "auto" && task != report.end() && task->is_string())
    options.task = task->get<std::string>();
  return options;
}

// Sequences of different lengths over the whole vocabulary, or pictures.
std::vector<Sample> ProbeSamples(const ModelConfig& config) {
  if (config.patches) return AnySamples({.batch_size = 7}, config);
  std::vector<Sample> samples;
  for (int length = 1; length <= std::min(config.max_positions, 64); length *= 2) {
    Sample& sample = samples.emplace_back();
    for (int i = 0; i < length; ++i) {
      sample.input_ids.push_back(static_cast<int32_t>((i * int64_t{7919} + length) % config.vocab_size));
      sample.token_type_ids.push_back(0);
    }
  }
  return samples;
}

// What one model's folder holds, once it is what its report says.
absl::StatusOr<json> VerifyModel(const std::filesystem::path& path, const json& report,
                                 const Options& options, at::Device device, const OnnxRuntime* onnxruntime) {
  absl::StatusOr<ModelInputs> model = OpenModel(path, ReportedOptions(report, options));
  if (!model.ok()) return model.status();
  absl::StatusOr<Encoder> encoder = LoadEncoder(model->folder, device);  // refuses NaN and infinity
  if (!encoder.ok()) return encoder.status();

  absl::StatusOr<double> sequence_length = ReportedNumber(report, "/sequence_length");
  if (!sequence_length.ok()) return sequence_length.status();
  const ModelFacts facts = FactsOf(model->folder);
  const double flops = EncoderFlops(encoder->config, *sequence_length);
  for (const absl::Status& status :
       {Expect(report, "/flops/kept", flops, "kept FLOPs"),
        Expect(report, "/parameters/kept", static_cast<double>(facts.parameters), "parameters"),
        Expect(report, "/file_bytes/kept", static_cast<double>(facts.file_bytes), "bytes of weights")}) {
    if (!status.ok()) return status;
  }
  if (absl::Status status = CheckDigests(report, path); !status.ok()) return status;
  const std::vector<Sample> probes = ProbeSamples(encoder->config);
  const at::Tensor expected = RunSamples(*encoder, probes);
  if (!at::isfinite(expected).all().item<bool>())
    return absl::DataLossError("the model's outputs are not finite on probe sequences");
  absl::StatusOr<std::vector<VerifiedFormat>> formats =
      VerifyForms(path, *encoder, ReportedOptions(report, options), probes, expected, onnxruntime);
  if (!formats.ok()) return absl::DataLossError(formats.status().message());
  formats->insert(formats->begin(), {"safetensors", "kprune " KPRUNE_VERSION, 0, 0});
  json verified = VerificationJson(*formats);
  verified.update({{"flops", flops},
                   {"parameters", facts.parameters},
                   {"file_bytes", facts.file_bytes},
                   {"probe_sequences", probes.size()}});
  return verified;
}

// The same of a result of several models: every file, then every model.
absl::StatusOr<json> VerifyModels(const WorkerJob& job, const json& report, at::Device device,
                                  const OnnxRuntime* onnxruntime, ProgressObserver& observer) {
  if (absl::Status status = CheckDigests(report, job.model); !status.ok()) return status;
  json verified = json::array();
  for (const json& row : report["models"]) {
    if (observer.cancelled()) return absl::CancelledError("the job was cancelled");
    const json name = row.is_object() ? row.value("folder", json()) : json();
    if (!name.is_string() || !IsBudgetFolder(name.get_ref<const std::string&>()))
      return absl::DataLossError("report.json lists a model without its folder");
    const std::filesystem::path folder = job.model / name.get<std::string>();
    absl::StatusOr<json> own = ReadJsonFile(folder / kReportFile);
    if (!own.ok()) return own.status();
    absl::StatusOr<json> model = VerifyModel(folder, *own, job.options, device, onnxruntime);
    if (!model.ok()) {
      return absl::Status(model.status().code(),
                          absl::StrCat(name.get<std::string>(), ": ", model.status().message()));
    }
    (*model)["folder"] = name;
    verified.push_back(*std::move(model));
  }
  return json{{"models", verified}};
}

}  // namespace

absl::Status RunVerify(const WorkerJob& job, ProgressObserver& observer) {
  observer.OnStage(Stage::kVerify, 0);
  absl::StatusOr<json> report = ReadJsonFile(job.model / kReportFile);
  if (!report.ok()) return report.status();
  // Before anything that the folder holds is loaded.
  absl::StatusOr<json> provenance = CheckProvenance(job.model, *report, job.public_key);
  if (!provenance.ok()) return provenance.status();
  absl::StatusOr<at::Device> device = ResolveDevice(job.options.device);
  if (!device.ok()) return device.status();
  const auto models = report->find("models");
  const bool several = models != report->end() && models->is_array() && !models->empty();
  absl::StatusOr<std::unique_ptr<OnnxRuntime>> onnxruntime =
      LoadConfiguredOnnxRuntime(job.onnxruntime, job.options);
  if (!onnxruntime.ok()) return onnxruntime.status();
  absl::StatusOr<json> verification =
      several ? VerifyModels(job, *report, *device, onnxruntime->get(), observer)
              : VerifyModel(job.model, *report, job.options, *device, onnxruntime->get());
  if (!verification.ok()) return verification.status();
  (*verification)["provenance"] = *std::move(provenance);
  absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job.directory);
  if (!folder.ok()) return folder.status();
  if (absl::Status status = folder->WriteJson(kVerificationFile, *verification); !status.ok()) return status;
  return folder->Publish();
}

}  // namespace kprune
