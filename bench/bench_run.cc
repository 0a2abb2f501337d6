#include "bench/bench_run.h"

#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/headeronly/version.h>

#include <chrono>
#include <cmath>
#include <optional>

#include "bench/bench_inputs.h"
#include "bench/gemm_rate.h"
#include "bench/measurement_flops.h"
#include "bench/pruning_run.h"
#include "bench/solve_time.h"
#include "engine/evaluation/metrics.h"
#include "engine/evaluation/outputs.h"
#include "engine/evaluation/process_memory.h"
#include "engine/evaluation/report.h"
#include "worker/devices.h"
#include "worker/processors.h"

namespace kprune {
namespace {

using Json = nlohmann::ordered_json;

// The most that LibTorch's allocator has held on a GPU; null on the CPU, where the process's memory says it.
Json DevicePeakBytes(at::Device device) {
  if (device.is_cpu()) return nullptr;
  const auto stats = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak;
}

// Times, rows and, of method "kprune", analytic FLOPs of the sublayers that were done; returns the FLOPs of
// their measurement.
double AddSublayers(const BenchInputs& inputs, const PruningRun& run, const Options& options, Json& json) {
  const ModelConfig& config = inputs.encoder.config;
  const TokenCounts counts = CountTokens(inputs.samples);
  const int passes = BackwardPasses(config, options);
  const bool counted = options.method == "kprune";
  double measure = 0, search = 0, tune = 0, measure_flops = 0, total_flops = 0;
  Json rows = Json::array();
  for (const SublayerPruned& sublayer : run.sublayers) {
    const bool measured = options.measures_before(sublayer.index);
    const double flops = measured ? MeasurementFlops(config, counts, passes, sublayer.index) : 0;
    Json& row = rows.emplace_back(SublayerJson(sublayer));
    row["analytic_measure_flops"] = counted ? Json(flops) : Json();
    measure += sublayer.measure_seconds;
    search += sublayer.search_seconds;
    tune += sublayer.tune_seconds;
    measure_flops += flops;
    total_flops += flops + TuningFlops(config, counts, sublayer.index, sublayer.kept);
  }
  json["measure_seconds"] = measure;
  json["search_seconds"] = search;
  json["tune_seconds"] = tune;
  json["sublayers"] = std::move(rows);
  json["backward_passes"] = passes;
  json["analytic_measure_flops"] = counted ? Json(measure_flops) : Json();
  json["analytic_total_flops"] = counted ? Json(total_flops) : Json();
  return measure_flops;
}

void AddLimit(const BenchRequest& request, const ModelConfig& config, at::Device device, double measure_flops,
              Json& json) {
  json["gemm_rate_flops"] = nullptr;
  json["gemm_shape"] = nullptr;
  json["fraction_of_limit"] = nullptr;
  json["solve_seconds"] = nullptr;
  if (request.gemm_seconds <= 0) return;
  const at::ScalarType type = request.options.precision == "bf16" ? at::kBFloat16 : at::kFloat;
  const GemmRate limit =
      MeasureBestGemmRate(config.hidden_size, config.intermediate_size, type, device, request.gemm_seconds);
  json["gemm_rate_flops"] = limit.flops_per_second;
  json["gemm_shape"] = {limit.rows, limit.inner, limit.columns};
  if (!json["analytic_measure_flops"].is_null()) {
    json["fraction_of_limit"] =
        measure_flops / json["measure_seconds"].get<double>() / limit.flops_per_second;
  }
  json["solve_seconds"] = MeasureSolveSeconds(config.intermediate_size, config.hidden_size, device);
}

// {"name", "original", "pruned", "n"}; null without labelled samples or where the run was stopped.
Json Accuracy(const BenchInputs& inputs, const PruningRun& run) {
  if (inputs.eval.empty() || !run.encoder) return nullptr;
  const Task task = inputs.encoder.config.task;
  const auto original = EvaluateMetric(task, RunSamples(inputs.encoder, inputs.eval), inputs.eval);
  const auto pruned = EvaluateMetric(task, RunSamples(*run.encoder, inputs.eval), inputs.eval);
  if (!original || !pruned) return nullptr;
  return {
      {"name", original->name}, {"original", original->value}, {"pruned", pruned->value}, {"n", original->n}};
}

void AddMachineAndModel(const BenchInputs& inputs, const Options& options, at::Device device, Json& json) {
  const ModelConfig& config = inputs.encoder.config;
  const TokenCounts counts = CountTokens(inputs.samples);
  json["device"] = device.str();
  json["device_name"] = DeviceName(device);
  json["threads"] = at::get_num_threads();
  json["method"] = options.method;
  json["precision"] = options.precision;
  json["versions"] = {{"kprune", KPRUNE_VERSION}, {"torch", TORCH_VERSION}};
  json["samples"] = static_cast<int64_t>(counts.sequences);
  json["tokens"] = static_cast<int64_t>(counts.tokens);
  json["layers"] = config.num_layers;
  json["hidden"] = config.hidden_size;
  json["heads"] = config.num_heads;
  json["intermediate"] = config.intermediate_size;
}

}  // namespace

absl::StatusOr<nlohmann::ordered_json> RunBench(const BenchRequest& request) {
  const Options& options = request.options;
  at::set_num_threads(options.threads > 0 ? options.threads : AvailableProcessors());
  const auto start = std::chrono::steady_clock::now();
  absl::StatusOr<at::Device> device = ResolveDevice(options.device);
  if (!device.ok()) return device.status();
  UseDeterministicAlgorithms(*device);  // as jobs do
  absl::StatusOr<BenchInputs> inputs =
      request.model.empty()
          ? BenchInputs{MakeRandomClassifier(request.shape, options.seed, *device),
                        MakeRandomSamples(request.random_samples, request.random_tokens, options.seed),
                        {},
                        {}}
          : LoadBenchInputs(request.model, request.data, request.eval, options, /*holdout=*/0, *device);
  if (!inputs.ok()) return inputs.status();
  const double load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const absl::StatusOr<ProcessMemory> loaded = ReadProcessMemory();
  if (!loaded.ok()) return loaded.status();

  absl::StatusOr<PruningRun> run = RunPruning(inputs->encoder, inputs->samples, options, request.sublayers);
  if (!run.ok()) return run.status();
  const absl::StatusOr<ProcessMemory> pruned = ReadProcessMemory();
  if (!pruned.ok()) return pruned.status();
  const Json device_peak = DevicePeakBytes(*device);

  Json json;
  AddMachineAndModel(*inputs, options, *device, json);
  json["load_seconds"] = load_seconds;
  json["prune_seconds"] = run->seconds;
  const double measure_flops = AddSublayers(*inputs, *run, options, json);
  json["stopped_after"] = run->encoder ? Json() : Json(run->sublayers.size());
  json["sequence_length"] = run->budget.sequence_length;
  json["kept_over_budget"] = run->encoder ? Json(run->kept_flops / run->budget.budget_flops) : Json();
  AddLimit(request, inputs->encoder.config, *device, measure_flops, json);
  json["plan"] = {{"batch_tokens", run->plan.batch_tokens},
                  {"streams", std::string(place_name(run->plan.streams))},
                  {"predicted_peak_bytes", run->predicted_peak_bytes}};
  json["memory_limit_bytes"] = options.memory_limit_bytes;
  json["vm_after_load_bytes"] = loaded->resident_bytes;
  json["vm_hwm_after_load_bytes"] = loaded->peak_resident_bytes;
  json["vm_hwm_bytes"] = pruned->peak_resident_bytes;
  json["peak_above_load_bytes"] = pruned->peak_resident_bytes - loaded->resident_bytes;
  json["device_peak_bytes"] = device_peak;
  json["accuracy"] = Accuracy(*inputs, *run);
  json["warnings"] = run->warnings;
  return json;
}

}  // namespace kprune
