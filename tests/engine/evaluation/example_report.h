// A report.json with everything in it, for tests of what is made from reports.
#ifndef KPRUNE_TESTS_ENGINE_EVALUATION_EXAMPLE_REPORT_H_
#define KPRUNE_TESTS_ENGINE_EVALUATION_EXAMPLE_REPORT_H_

#include "engine/formats/options_json.h"
#include "kprune/options.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Of a classifier of two layers, pruned by method refit, that was judged with labels.
inline nlohmann::json ExampleReport() {
  nlohmann::json report = nlohmann::json::parse(R"({
    "schema_version": 1, "method": "refit", "family": "bert", "task": "text-classification", "seed": 7, "samples": 1843,
    "tokens": 42000, "sequence_length": 22.8,
    "flops": {"original": 2.0e9, "kept": 9.98e8, "ratio": 0.499, "budget": 1.0e9},
    "parameters": {"original": 22700000, "kept": 17100000}, "file_bytes": {"original": 91553792, "kept": 69206016},
    "sublayers": [
      {"index": 0, "layer": 0, "kind": "attention", "units": 12, "kept": 12, "solver": "cholesky", "condition": 1200,
       "reconstruction_error": 0.0312, "seconds": {"measure": 1.0, "search": 0.25, "tune": 0.5}},
      {"index": 1, "layer": 0, "kind": "feed_forward", "units": 1536, "kept": 800, "solver": "ridge", "condition": null,
       "reconstruction_error": 0.25, "seconds": {"measure": 1.0, "search": 0.25, "tune": 0.5}},
      {"index": 2, "layer": 1, "kind": "attention", "units": 12, "kept": 0, "solver": "empty", "condition": 1,
       "reconstruction_error": 1, "seconds": {"measure": 1.0, "search": 0.25, "tune": 0.5}},
      {"index": 3, "layer": 1, "kind": "feed_forward", "units": 1536, "kept": 10, "solver": "cholesky", "condition": 9e9,
       "reconstruction_error": 0.5, "seconds": {"measure": 1.0, "search": 0.25, "tune": 0.5}}],
    "curves": [{"removed": [0, 6, 12], "loss": [0, 0.1, 0.5]}, {"removed": [0, 768, 1536], "loss": [0, 0.01, 1.5]},
               {"removed": [0, 6, 12], "loss": [0, 0.001, 0.5]}, {"removed": [0, 768, 1536], "loss": [0, 0.0001, 0.5]}],
    "chosen": null,
    "agreement": {"n": 205, "top1": 0.956, "kl": 0.021, "interval95": {"top1": [0.92, 0.98], "kl": [0.015, 0.03]}},
    "flipped": {"n": 2, "samples": [{"file": 1, "line": 17, "original": 0, "pruned": 1},
                                    {"file": 1, "line": 99, "original": 1, "pruned": 0}]},
    "metric": {"name": "accuracy", "original": 0.91, "pruned": 0.9, "n": 872, "original_interval95": [0.89, 0.93],
               "pruned_interval95": [0.88, 0.92], "difference": {"value": -0.01, "interval95": [-0.0251, 0.005]}},
    "latency": {"batch_size": 8, "tokens": 23, "original_ms": 8.0, "pruned_ms": 5.0},
    "verification": {"verified_by": ["kprune 0.1.0", "LibTorch 2.11.0"], "max_difference": 1e-6, "formats": [
      {"format": "safetensors", "by": "kprune 0.1.0", "max_difference": 0, "bound": 3e-4},
      {"format": "torchscript", "by": "LibTorch 2.11.0", "max_difference": 1e-6, "bound": 3e-4},
      {"format": "onnx", "by": "libonnx", "max_difference": null, "bound": 3e-4}]},
    "peak_memory_bytes": 734003200, "seconds": {"load": 0.5, "measure": 20, "search": 1, "tune": 9, "total": 131},
    "device": {"id": "cpu", "name": "a processor", "threads": 2}, "precision": "fp32",
    "plan": {"resumed_sublayers": 3}, "versions": {"kprune": "0.1.0", "torch": "2.11.0"},
    "inputs": {"data/samples.jsonl": "aa", "eval/dev.jsonl": "bb", "model/config.json": "cc"}})");
  Options options;
  options.keep_flops = {0.5};
  options.seed = 7;
  options.mu = 1;
  report["options"] = ToJson(options);
  return report;
}

// Of two models.
inline nlohmann::json ExampleParetoReport() {
  nlohmann::json report = ExampleReport();
  for (const char* own : {"flops", "parameters", "file_bytes", "sublayers", "curves", "chosen", "flipped",
                          "latency", "verification", "plan"})
    report.erase(own);
  report["options"]["keep_flops"] = {0.7, 0.5};
  report["agreement"] = {{"name", "top1"}, {"n", 51}};
  report["metric"] = {{"name", "accuracy"}, {"n", 872}};
  report["original"] = nlohmann::json::parse(
      R"({"flops": 4e8, "parameters": 22700000, "file_bytes": 91553792, "latency_ms": 22.9, "metric": 0.883})");
  report["models"] = nlohmann::json::parse(R"([
    {"folder": "keep-0.70", "keep_flops": 0.7, "flops": 2.8e8, "parameters": 19500000, "file_bytes": 78643200,
     "latency_ms": 16.5, "agreement": 0.98, "kl": 0.01, "metric": 0.88, "pareto": true,
     "difference": {"value": -0.003, "interval95": [-0.012, 0.006]}},
    {"folder": "keep-0.50", "keep_flops": 0.5, "flops": 2.0e8, "parameters": 17400000, "file_bytes": 69206016,
     "latency_ms": 12.2, "agreement": 0.97, "kl": 0.02, "metric": 0.87, "pareto": true,
     "difference": {"value": -0.013, "interval95": [-0.025, 0]}}])");
  return report;
}

}  // namespace kprune

#endif  // KPRUNE_TESTS_ENGINE_EVALUATION_EXAMPLE_REPORT_H_
