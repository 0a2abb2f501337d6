// What a running job tells upwards. The engine calls a ProgressObserver; it never learns who listens.
#ifndef KPRUNE_PROGRESS_H_
#define KPRUNE_PROGRESS_H_

#include <string>

namespace kprune {

enum class Stage { kLoad, kMeasure, kSearch, kTune, kVerify, kExport };

enum class SublayerKind { kAttention, kFeedForward };

// One finished sublayer; the fields are those of kprune.v1.SublayerPruned.
struct SublayerPruned {
  double keep_flops = 0;  // the budget it belongs to, where the job has several; else 0
  int index = 0;          // 0 .. total - 1, bottom up
  int total = 0;
  int layer = 0;   // the first that applies it
  int layers = 1;  // that apply it, one above the other: more than one where layers share their weights
  SublayerKind kind = SublayerKind::kAttention;
  int units = 0;  // heads or neurons before
  int kept = 0;
  double budget_left_flops = 0;
  double measure_seconds = 0;
  double search_seconds = 0;
  double tune_seconds = 0;
  std::string solver;    // "cholesky", "ridge", "eigen", "kept-weights" or "empty"
  double condition = 0;  // estimate of the condition number of the normal equations; 0 when not solved
  double reconstruction_error = 0;  // relative, of the tuned output
};

// The only upward callback of the engine. Called from the engine's thread; implementations must return
// quickly.
class ProgressObserver {
 public:
  virtual ~ProgressObserver() = default;

  // `fraction` is the share of the whole job that is done, 0 to 1, and never falls.
  virtual void OnStage(Stage stage, double fraction) = 0;
  virtual void OnSublayer(const SublayerPruned& sublayer) = 0;
  virtual void OnWarning(const std::string& message) = 0;

  // Asked at least once a batch; true makes the engine stop with a Cancelled status.
  virtual bool cancelled() const = 0;
};

}  // namespace kprune

#endif  // KPRUNE_PROGRESS_H_
