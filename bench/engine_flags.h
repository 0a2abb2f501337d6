// Flags of the engine's options, for the programs of the benchmark.
#ifndef KPRUNE_BENCH_ENGINE_FLAGS_H_
#define KPRUNE_BENCH_ENGINE_FLAGS_H_

#include <CLI/CLI.hpp>

#include "nlohmann/json.hpp"

namespace kprune {

// Adds them to `app`; their values go into `options`, which ParseOptions checks like a job's. Both outlive
// the parse.
void AddEngineFlags(CLI::App& app, nlohmann::json& options);

}  // namespace kprune

#endif  // KPRUNE_BENCH_ENGINE_FLAGS_H_
