// Exceptions from how deterministic LibTorch's algorithms are to be.
#ifndef KPRUNE_ENGINE_MODEL_DETERMINISM_H_
#define KPRUNE_ENGINE_MODEL_DETERMINISM_H_

#include <ATen/Context.h>
#include <ATen/Parallel.h>

namespace kprune {

// While it lives, another setting, where deterministic algorithms are asked for at all (on a GPU). The
// setting is the process's: not for threads that compute at the same time.
class Determinism {
 public:
  enum Setting {
    // Fused attention takes its deterministic backward pass: where others are only warned of, it would not.
    kStrict,
    // Rows that index_copy and index_add write are not sorted: where none is named twice, nothing else
    // changes.
    kUnorderedRows,
  };

  explicit Determinism(Setting setting) {
    if (before_) Set(setting == kStrict, setting == kUnorderedRows && warned_only_);
  }
  ~Determinism() {
    if (before_) Set(true, warned_only_);
  }
  Determinism(const Determinism&) = delete;
  Determinism& operator=(const Determinism&) = delete;

 private:
  static void Set(bool deterministic, bool warn_only) {
    at::globalContext().setDeterministicAlgorithms(deterministic, warn_only);
  }

  // In a parallel region, which is a CPU's, other threads look at the setting: it stays as it is, strict
  // enough.
  const bool before_ = at::globalContext().deterministicAlgorithms() && !at::in_parallel_region();
  const bool warned_only_ = at::globalContext().deterministicAlgorithmsWarnOnly();
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_DETERMINISM_H_
