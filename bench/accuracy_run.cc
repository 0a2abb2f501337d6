#include "bench/accuracy_run.h"

#include <ATen/Parallel.h>

#include <filesystem>

#include "bench/bench_inputs.h"
#include "engine/evaluation/agreement.h"
#include "engine/evaluation/metrics.h"
#include "engine/evaluation/outputs.h"
#include "engine/kprune/kprune.h"
#include "engine/refit/refit.h"
#include "worker/devices.h"
#include "worker/inputs.h"
#include "worker/processors.h"
#include "worker/workload.h"

namespace kprune {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kHeldOut = 1;  // as many lines as prune, at most kMaxJudgingSamples

class QuietObserver : public ProgressObserver {
 public:
  void OnStage(Stage, double) override {}
  void OnSublayer(const SublayerPruned&) override {}
  void OnWarning(const std::string&) override {}
  bool cancelled() const override { return false; }
};

class Judge {
 public:
  explicit Judge(const BenchInputs& inputs)
      : inputs_(inputs),
        held_out_(RunSamples(inputs.encoder, inputs.held_out)),
        original_(MetricOf(inputs.encoder)) {}

  void Add(const Encoder& pruned, Json& json) const {
    const std::optional<Metric> metric = MetricOf(pruned);
    json["metric"] = nullptr;
    if (metric) {
      json["metric"] = {
          {"name", metric->name}, {"original", original_->value}, {"value", metric->value}, {"n", metric->n}};
    }
    const Task task = inputs_.encoder.config.task;
    json["agreement"] = Agreement(task, held_out_, RunSamples(pruned, inputs_.held_out));
  }

 private:
  std::optional<Metric> MetricOf(const Encoder& encoder) const {
    if (inputs_.eval.empty()) return std::nullopt;
    return EvaluateMetric(encoder.config.task, RunSamples(encoder, inputs_.eval), inputs_.eval);
  }

  const BenchInputs& inputs_;
  const at::Tensor held_out_;
  const std::optional<Metric> original_;
};

}  // namespace

absl::Status RunAccuracy(const AccuracyRequest& request,
                         const std::function<void(const nlohmann::ordered_json&)>& result) {
  const Options& options = request.options;
  at::set_num_threads(options.threads > 0 ? options.threads : AvailableProcessors());
  absl::StatusOr<at::Device> device = ResolveDevice(options.device);
  if (!device.ok()) return device.status();
  UseDeterministicAlgorithms(*device);
  absl::StatusOr<BenchInputs> inputs =
      LoadBenchInputs(request.model, request.data, request.eval, options, kHeldOut, *device);
  if (!inputs.ok()) return inputs.status();
  std::vector<FlopsBudget> budgets;
  for (const double keep : request.budgets) {
    absl::StatusOr<FlopsBudget> budget =
        MakeBudget(inputs->encoder.config, keep, SequenceLength(options, inputs->samples));
    if (!budget.ok()) return budget.status();
    budgets.push_back(*budget);
  }
  const Workload workload = WorkloadOf(inputs->encoder.num_parameters(), inputs->samples, options, *device);
  absl::StatusOr<ExecutionPlan> plan = PlanExecution(inputs->encoder.config, workload, options,
                                                     std::filesystem::temp_directory_path().string());
  if (!plan.ok()) return plan.status();
  const Judge judge(*inputs);
  QuietObserver observer;
  Stopwatch stopwatch;
  const auto done = [&](size_t i, const PruningResult& pruned) {
    const double seconds = stopwatch.seconds();
    Json json = {{"method", options.method},
                 {"keep_flops", request.budgets[i]},
                 {"seed", options.seed},
                 {"precision", workload.compute_type == at::kBFloat16 ? "bf16" : "fp32"},
                 {"kept_flops", pruned.kept_flops / budgets[i].original_flops}};
    judge.Add(pruned.encoder, json);
    json["seconds"] = seconds;
    result(json);
    stopwatch = Stopwatch();
    return absl::OkStatus();
  };
  if (options.method == "refit")
    return Refit(inputs->encoder, inputs->samples, budgets, options, *plan, /*checkpoint=*/nullptr, observer,
                 done);
  for (size_t i = 0; i < budgets.size(); ++i) {
    absl::StatusOr<PruningResult> pruned = KPrune(inputs->encoder, inputs->samples, budgets[i], options,
                                                  *plan, /*checkpoint=*/nullptr, observer);
    if (!pruned.ok()) return pruned.status();
    if (absl::Status status = done(i, *pruned); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace kprune
