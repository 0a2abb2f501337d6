// RunPreflight: everything that can be refused at once, and what the job will need. Reads no weights.
#include <ATen/ATen.h>

#include <algorithm>

#include "engine/cost/flops.h"
#include "engine/cost/prediction.h"
#include "engine/kprune/setting_search.h"
#include "engine/pruning/budget.h"
#include "kprune/worker_protocol.h"
#include "worker/configured_onnxruntime.h"
#include "worker/devices.h"
#include "worker/drop_search.h"
#include "worker/inputs.h"
#include "worker/jobs.h"
#include "worker/model_facts.h"
#include "worker/model_judge.h"
#include "worker/provenance.h"
#include "worker/result_folder.h"
#include "worker/workload.h"

namespace kprune {
namespace {

// A preflight is soon done, however large the data is; the job itself reads all of it.
constexpr int64_t kCheckedLines = kMaxSamples + 1;

// The smallest of the job's budgets; none (0 FLOPs) where max_drop finds it, and where time is the budget.
absl::StatusOr<FlopsBudget> SmallestBudget(const ModelConfig& config, const Options& options,
                                           double sequence_length) {
  if (options.max_drop) {
    const absl::StatusOr<double> least = LeastKeepFlops(config, sequence_length);
    if (!least.ok()) return least.status();
    return FlopsBudget{sequence_length, EncoderFlops(config, sequence_length), 0, {}};
  }
  if (options.target_latency_ms) {
    absl::StatusOr<FlopsBudget> budget = MakeLatencyBudget(config, options, sequence_length);
    if (budget.ok()) budget->budget_flops = 0;
    return budget;
  }
  const std::vector<double> budgets = options.budgets();
  return MakeBudget(config, *std::min_element(budgets.begin(), budgets.end()), sequence_length);
}

// Of the model that such a budget leaves; 0 where that is not known yet.
double SpeedUp(const ModelConfig& config, const FlopsBudget& budget) {
  if (budget.latency) return LatencyOf(budget.latency->costs, config) / budget.latency->target_ms;
  return budget.budget_flops > 0 ? budget.original_flops / budget.budget_flops : 0;
}

}  // namespace

absl::Status RunPreflight(const WorkerJob& job, ProgressObserver& observer) {
  const auto signing_key = LoadConfiguredSigningKey(job.signing_key);
  if (!signing_key.ok()) return signing_key.status();
  absl::StatusOr<at::Device> device = ResolveDevice(job.options.device);
  if (!device.ok()) return device.status();
  absl::StatusOr<ModelInputs> model = OpenModel(job.model, job.options);
  if (!model.ok()) return model.status();
  absl::StatusOr<DrawnSamples> data = DrawModelSamples(*model, job.data, job.options, kCheckedLines);
  if (!data.ok()) return data.status();
  SampleSet eval;
  if (!job.eval.empty()) {
    absl::StatusOr<SampleSet> read = ReadEvalSamples(*model, job.eval, job.options);
    if (!read.ok()) return read.status();
    eval = *std::move(read);
  }
  const std::vector<Sample>& pruning = data->pruning;
  if (absl::Status status = CheckEnoughToChoose(job.options, pruning.size()); !status.ok()) return status;
  const double sequence_length = SequenceLength(job.options, pruning);
  const ModelConfig& config = model->folder.config;
  const absl::Status exportable =
      PrepareToExport(FactsOf(model->folder).parameters, job.onnxruntime, job.options).status();
  if (!exportable.ok()) return exportable;
  absl::StatusOr<FlopsBudget> budget = SmallestBudget(config, job.options, sequence_length);
  if (!budget.ok()) return budget.status();
  absl::Status can_show = CheckCanShowDrop(
      config.task, job.options, ChooseJudgingSamples(config, pruning, data->judging, eval), data->available);
  if (!can_show.ok()) return can_show;
  if (observer.cancelled()) return absl::CancelledError("the job was cancelled");

  int64_t tokens = 0;
  for (const Sample& sample : pruning) tokens += sample.tokens();
  const Workload workload = WorkloadOf(FactsOf(model->folder).parameters, pruning, job.options, *device);
  absl::StatusOr<ExecutionPlan> plan = PlanExecution(config, workload, job.options, job.directory);
  if (!plan.ok()) return plan.status();
  std::vector<std::string> warnings = SampleWarnings(*data, eval, job.options);
  const std::string slow = PrecisionWarning(workload.compute_type, *device);
  if (!slow.empty()) warnings.push_back(slow);
  const nlohmann::json preflight = {
      {"family", config.family->model_type},
      {"task", config.task_name()},
      {"layers", config.num_layers},
      {"samples", NumLines(pruning)},
      {"tokens", tokens},
      {"sequence_length", sequence_length},
      {"original_flops", budget->original_flops},
      {"budget_flops", budget->budget_flops},
      {"peak_memory_bytes", PredictPeakMemory(config, workload, job.options, *plan)},
      {"seconds", PredictSeconds(config, pruning, job.options, workload.compute_type, *device)},
      {"speedup", SpeedUp(config, *budget)},
      {"warnings", warnings}};
  absl::StatusOr<ResultFolder> folder = ResultFolder::Create(job.directory);
  if (!folder.ok()) return folder.status();
  if (absl::Status status = folder->WriteJson(kPreflightFile, preflight); !status.ok()) return status;
  return folder->Publish();
}

}  // namespace kprune
