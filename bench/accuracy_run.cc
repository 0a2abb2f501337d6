#include "bench/accuracy_run.h"

#include <ATen/Parallel.h>

#include <filesystem>

#include "bench/bench_inputs.h"
#include "engine/evaluation/agreement.h"
#include "engine/evaluation/metrics.h"
#include "engine/evaluation/outputs.h"
#include "engine/pruning_methods.h"
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

// The request's budgets in its order; tells of each result.
class JudgedBudgets : public BudgetSource {
 public:
  using Tell = std::function<void(const Json&)>;
  JudgedBudgets(const BenchInputs& inputs, const AccuracyRequest& request, const Workload& workload,
                const std::vector<FlopsBudget>& budgets, const Tell& tell)
      : judge_(inputs), request_(request), workload_(workload), budgets_(budgets), tell_(tell) {}

  int most_budgets() const override { return static_cast<int>(budgets_.size()); }
  absl::StatusOr<std::optional<BudgetTask>> Next() override {
    if (done_ == budgets_.size()) return std::nullopt;
    return BudgetTask{budgets_[done_]};
  }
  absl::Status Done(const PruningResult& pruned) override {
    const double seconds = stopwatch_.seconds();
    Json json = {{"method", request_.options.method},
                 {"keep_flops", request_.budgets[done_]},
                 {"seed", request_.options.seed},
                 {"precision", workload_.compute_type == at::kBFloat16 ? "bf16" : "fp32"},
                 {"kept_flops", pruned.kept_flops / budgets_[done_].original_flops}};
    judge_.Add(pruned.encoder, json);
    if (pruned.choice) json["chosen"] = ToJson(*pruned.choice);
    json["seconds"] = seconds;
    tell_(json);
    ++done_;
    stopwatch_ = Stopwatch();
    return absl::OkStatus();
  }

 private:
  const Judge judge_;
  const AccuracyRequest& request_;
  const Workload& workload_;
  const std::vector<FlopsBudget>& budgets_;
  const Tell& tell_;
  size_t done_ = 0;
  Stopwatch stopwatch_;  // since the last budget
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
  QuietObserver observer;
  JudgedBudgets judged(*inputs, request, workload, budgets, result);
  return PruneByMethod(inputs->encoder, inputs->samples, options, *plan, judged, observer);
}

}  // namespace kprune
