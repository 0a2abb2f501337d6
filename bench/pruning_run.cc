#include "bench/pruning_run.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>

#include "engine/pruning_methods.h"
#include "worker/devices.h"
#include "worker/inputs.h"
#include "worker/workload.h"

namespace kprune {
namespace {

// Keeps what it is told, and cancels when enough sublayers are done.
class StoppingObserver : public ProgressObserver {
 public:
  StoppingObserver(PruningRun& run, size_t most_sublayers) : run_(run), most_sublayers_(most_sublayers) {}

  void OnStage(Stage, double) override {}
  void OnSublayer(const SublayerPruned& sublayer) override { run_.sublayers.push_back(sublayer); }
  void OnWarning(const std::string& message) override { run_.warnings.push_back(message); }
  bool cancelled() const override { return run_.sublayers.size() >= most_sublayers_; }

 private:
  PruningRun& run_;
  const size_t most_sublayers_;
};

// The one place that knows how the engine is called.
absl::StatusOr<PruningResult> Prune(const Encoder& model, absl::Span<const Sample> samples,
                                    const Options& options, PruningRun& run, ProgressObserver& observer) {
  const Workload workload = WorkloadOf(model.num_parameters(), samples, options, model.device());
  absl::StatusOr<ExecutionPlan> plan =
      PlanExecution(model.config, workload, options, std::filesystem::temp_directory_path().string());
  if (!plan.ok()) return plan.status();
  run.plan = *std::move(plan);
  if (const std::string slow = PrecisionWarning(workload.compute_type, workload.device); !slow.empty())
    observer.OnWarning(slow);
  run.predicted_peak_bytes = PredictPeakMemory(model.config, workload, options, run.plan);
  const auto start = std::chrono::steady_clock::now();
  absl::StatusOr<PruningResult> result =
      PruneByMethod(model, samples, run.budget, options, run.plan, /*checkpoint=*/nullptr, observer);
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace

absl::StatusOr<PruningRun> RunPruning(const Encoder& model, absl::Span<const Sample> samples,
                                      const Options& options, int most_sublayers) {
  const double sequence_length = SequenceLength(options, samples);
  absl::StatusOr<FlopsBudget> budget = MakeBudget(model.config, options.budgets().front(), sequence_length);
  if (!budget.ok()) return budget.status();
  PruningRun run;
  run.budget = *budget;
  const size_t all = model.sublayers.size();
  const bool stops = most_sublayers > 0 && static_cast<size_t>(most_sublayers) < all;
  StoppingObserver observer(run, stops ? static_cast<size_t>(most_sublayers) : all + 1);
  absl::StatusOr<PruningResult> result = Prune(model, samples, options, run, observer);
  if (!result.ok() && !(stops && absl::IsCancelled(result.status()))) return result.status();
  if (result.ok()) {
    run.encoder = std::move(result->encoder);
    run.kept_flops = result->kept_flops;
  }
  return run;
}

}  // namespace kprune
