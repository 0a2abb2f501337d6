#include "worker/model_judge.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "engine/evaluation/agreement.h"
#include "engine/evaluation/outputs.h"
#include "worker/model_facts.h"
#include "worker/result_forms.h"

namespace kprune {
namespace {

// How many samples verify the written folder when none are held out.
constexpr size_t kVerifyingSamples = 64;

constexpr int kLatencyRepeats = 21;
constexpr double kLatencySeconds = 20;  // at most for them
constexpr std::array kBatchSizes = {1, 8, 32};

}  // namespace

JudgingSamples ChooseJudgingSamples(const ModelConfig& config, absl::Span<const Sample> pruning,
                                    const SampleSet& judging, const SampleSet& eval) {
  JudgingSamples samples;
  samples.agreeing = judging.samples.empty() ? eval.samples : judging.samples;
  if (config.task != Task::kEmbedding) {
    if (judging.labelled) samples.labelled = judging.samples;
    if (eval.labelled) samples.labelled = eval.samples;
  }
  samples.verifying = judging.samples.empty() ? pruning.subspan(0, kVerifyingSamples) : judging.samples;
  for (absl::Span<const Sample>* some : {&samples.agreeing, &samples.labelled, &samples.verifying})
    *some = WithinJudgedOutputs(config, *some);
  return samples;
}

absl::StatusOr<Encoder> ModelJudge::WriteAndVerify(const Encoder& pruned, const std::filesystem::path& path,
                                                   ReportContents& report) const {
  for (const absl::Status& status : {WriteModelFolder(folder_, pruned, path.string()),
                                     WriteForms(folder_, pruned, report.options, path)}) {
    if (!status.ok()) return status;
  }
  Options options = report.options;
  options.task = folder_.config.task_name();
  absl::StatusOr<ModelFolder> folder = OpenModelFolder(path.string(), options);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<Encoder> written = LoadEncoder(*folder, original_.device());
  if (!written.ok()) return written.status();
  const ModelFacts before = FactsOf(folder_), after = FactsOf(*folder);
  report.original_parameters = before.parameters;
  report.kept_parameters = after.parameters;
  report.original_file_bytes = before.file_bytes;
  report.kept_file_bytes = after.file_bytes;

  absl::StatusOr<std::vector<VerifiedFormat>> verified = Verify(pruned, *written, path, options);
  if (!verified.ok()) {
    return absl::Status(verified.status().code(),
                        absl::StrCat(verified.status().message(), "; the result was discarded"));
  }
  report.verified = *std::move(verified);
  return written;
}

absl::StatusOr<std::vector<VerifiedFormat>> ModelJudge::Verify(const Encoder& pruned, const Encoder& written,
                                                               const std::filesystem::path& path,
                                                               const Options& options) const {
  const at::Tensor expected = RunSamples(pruned, samples_.verifying);
  absl::StatusOr<VerifiedFormat> safetensors = CompareOutputs(
      "safetensors", "kprune " KPRUNE_VERSION, expected, RunSamples(written, samples_.verifying));
  if (!safetensors.ok()) return safetensors.status();
  auto verified = VerifyForms(path, pruned, options, samples_.verifying, expected, onnxruntime_.get());
  if (verified.ok()) verified->insert(verified->begin(), *std::move(safetensors));
  return verified;
}

void ModelJudge::Judge(const Encoder& written, ReportContents& report) {
  const Task task = original_.config.task;
  const auto original_on = [&](absl::Span<const Sample> samples, at::Tensor& outputs_NC) {
    if (!outputs_NC.defined()) outputs_NC = RunSamples(original_, samples);
    return outputs_NC;
  };
  if (!samples_.agreeing.empty()) {
    const at::Tensor before = original_on(samples_.agreeing, agreeing_NC_),
                     after = RunSamples(written, samples_.agreeing);
    report.agreement = Agreement(task, before, after, samples_.agreeing);
    report.flipped = FlippedSamples(task, before, after, samples_.agreeing);
  }
  if (!samples_.labelled.empty()) {
    const at::Tensor before = original_on(samples_.labelled, labelled_NC_),
                     after = RunSamples(written, samples_.labelled);
    const std::vector<std::string> names = original_.config.label_names();
    report.original_metric = EvaluateMetric(task, before, samples_.labelled, names);
    report.pruned_metric = EvaluateMetric(task, after, samples_.labelled, names);
    report.metric_difference = CompareMetrics(task, before, after, samples_.labelled, names);
  }
  MeasureSpeed(written, report);
}

void ModelJudge::MeasureSpeed(const Encoder& written, ReportContents& report) const {
  const auto tokens = static_cast<int64_t>(std::llround(report.budget.sequence_length));
  LatencySetting setting;
  setting.tokens = std::clamp<int64_t>(tokens, 1, original_.config.max_positions);
  const auto measure = [&](double seconds) {
    const std::vector<double> ms = MeasureLatency({&original_, &written}, setting, kLatencyRepeats, seconds);
    return LatencyComparison{setting, ms[0], ms[1]};
  };
  if (report.options.latency_table) setting.batch_size = report.options.latency_table->batch_size;
  report.latency = measure(kLatencySeconds);
  report.latency_by_batch_size.clear();
  for (const int batch_size : kBatchSizes) {
    setting.batch_size = batch_size;
    report.latency_by_batch_size.push_back(
        batch_size == report.latency.setting.batch_size ? report.latency : measure(kLatencySeconds / 4));
  }
}

Drop ModelJudge::DropIn(Task task, const ReportContents& report) {
  return report.metric_difference ? DropOf(*report.original_metric, *report.metric_difference)
                                  : DropOf(task, *report.agreement, report.flipped);
}

}  // namespace kprune
