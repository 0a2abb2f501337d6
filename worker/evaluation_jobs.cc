// RunEvaluate and RunCompare.
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "engine/cost/latency.h"
#include "engine/evaluation/agreement.h"
#include "engine/evaluation/report.h"
#include "kprune/worker_protocol.h"
#include "worker/jobs.h"
#include "worker/judged_model.h"
#include "worker/result_folder.h"

namespace kprune {
namespace {

using nlohmann::json;

constexpr int kLatencyRepeats = 11;

absl::Status PublishJson(const WorkerJob& job, const char* name, const json& value) {
  absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job.directory);
  if (!folder.ok()) return folder.status();
  if (absl::Status status = folder->WriteJson(name, value); !status.ok()) return status;
  return folder->Publish();
}

// The setting at which eval and compare measure latency: the first model's mean length on the data, as far as
// all models go.
LatencySetting SettingFor(absl::Span<const Encoder* const> encoders, double sequence_length) {
  LatencySetting setting;
  setting.tokens = std::max<int64_t>(1, std::llround(sequence_length));
  for (const Encoder* encoder : encoders) {
    setting.tokens = std::min<int64_t>(setting.tokens, encoder->config.max_positions);
  }
  return setting;
}

json Describe(const std::filesystem::path& folder, const JudgedModel& model, double latency_ms,
              const LatencySetting& setting) {
  return {
      {"folder", folder.string()},
      {"task", model.encoder.config.task_name()},
      {"metric", MetricJson(model.metric)},
      {"metrics", model.metric ? json(model.metric->others) : json::object()},
      {"n", NumLines(model.samples.samples)},
      {"sequence_length", model.sequence_length},
      {"flops", model.flops},
      {"parameters", model.facts.parameters},
      {"file_bytes", model.facts.file_bytes},
      {"latency_ms", latency_ms},
      {"latency",
       {{"batch_size", setting.batch_size}, {"tokens", setting.tokens}, {"threads", at::get_num_threads()}}}};
}

// Of samples that do not judge.
void Warn(const JudgedModel& model, ProgressObserver& observer) {
  for (const std::string& warning : LeftOutWarnings(model.samples.left_out, "data"))
    observer.OnWarning(warning);
  if (model.left_out == 0) return;
  observer.OnWarning(absl::StrCat("the outputs for all samples would be too large to keep: the first ",
                                  model.samples.samples.size(), " judge, ", model.left_out, " do not"));
}

// Whether both models were asked for the same labels: each reads the data by its own configuration.
bool AskTheSame(const JudgedModel& a, const JudgedModel& b) {
  return std::equal(a.samples.samples.begin(), a.samples.samples.end(), b.samples.samples.begin(),
                    b.samples.samples.end(),
                    [](const Sample& x, const Sample& y) { return x.labels == y.labels; });
}

}  // namespace

absl::Status RunEvaluate(const WorkerJob& job, ProgressObserver& observer) {
  observer.OnStage(Stage::kLoad, 0);
  absl::StatusOr<JudgedModel> model = JudgeModel(job.model, job);
  if (!model.ok()) return model.status();
  Warn(*model, observer);
  observer.OnStage(Stage::kMeasure, 0.8);
  const LatencySetting setting = SettingFor({&model->encoder}, model->sequence_length);
  const double latency_ms = MeasureLatency({&model->encoder}, setting, kLatencyRepeats)[0];
  if (observer.cancelled()) return absl::CancelledError("the job was cancelled");
  return PublishJson(job, kEvaluationFile, Describe(job.model, *model, latency_ms, setting));
}

absl::Status RunCompare(const WorkerJob& job, ProgressObserver& observer) {
  if (job.others.empty())
    return absl::InvalidArgumentError("compare needs the original and at least one other model folder");
  std::vector<std::filesystem::path> folders = {job.model};
  folders.insert(folders.end(), job.others.begin(), job.others.end());
  std::vector<JudgedModel> models;
  models.reserve(folders.size());
  for (const auto& folder : folders) {
    if (observer.cancelled()) return absl::CancelledError("the job was cancelled");
    observer.OnStage(Stage::kMeasure,
                     0.8 * static_cast<double>(models.size()) / static_cast<double>(folders.size()));
    absl::StatusOr<JudgedModel> model = JudgeModel(folder, job);
    if (!model.ok())
      return absl::Status(model.status().code(),
                          absl::StrCat(folder.string(), ": ", model.status().message()));
    const ModelConfig& config = model->encoder.config;
    if (!models.empty() && (config.task != models[0].encoder.config.task ||
                            config.num_labels != models[0].encoder.config.num_labels)) {
      return absl::InvalidArgumentError(absl::StrCat(
          folder.string(), " does another task than ", folders[0].string(), " (", config.num_labels,
          " outputs against ", models[0].encoder.config.num_labels, "); compare models of one task"));
    }
    if (models.empty()) Warn(*model, observer);
    if (!models.empty() && models[0].outputs.sizes() != model->outputs.sizes()) {
      return absl::InvalidArgumentError(absl::StrCat(
          folder.string(), " makes ", model->outputs.size(0), " tokens that count of the data, ",
          folders[0].string(), " ", models[0].outputs.size(0), "; compare models with the same tokenizer"));
    }
    models.push_back(*std::move(model));
  }
  std::vector<const Encoder*> encoders;
  for (const JudgedModel& model : models) encoders.push_back(&model.encoder);
  const LatencySetting setting = SettingFor(encoders, models[0].sequence_length);
  const std::vector<double> latency_ms = MeasureLatency(encoders, setting, kLatencyRepeats);
  json described = json::array();
  for (size_t i = 0; i < models.size(); ++i) {
    described.push_back(Describe(folders[i], models[i], latency_ms[i], setting));
    const ModelConfig& config = models[0].encoder.config;
    const std::vector<Sample>& samples = models[0].samples.samples;
    described.back()["agreement"] =
        i == 0 ? json() : Agreement(config.task, models[0].outputs, models[i].outputs, samples);
    if (i > 0 && models[i].metric && AskTheSame(models[0], models[i])) {
      described.back()["metric"]["difference"] = DifferenceJson(
          CompareMetrics(config.task, models[0].outputs, models[i].outputs, samples, config.label_names()));
    }
  }
  return PublishJson(job, kComparisonFile, {{"models", described}});
}

}  // namespace kprune
