// The progress of a part of the work.
#ifndef KPRUNE_ENGINE_PRUNING_PHASE_PROGRESS_H_
#define KPRUNE_ENGINE_PRUNING_PHASE_PROGRESS_H_

#include <string>

#include "kprune/progress.h"

namespace kprune {

// Maps the fractions of one phase, 0 .. 1, to a part of the whole job.
class PhaseProgress : public ProgressObserver {
 public:
  PhaseProgress(ProgressObserver& job, double begin, double end) : job_(job), begin_(begin), end_(end) {}

  void OnStage(Stage stage, double fraction) override {
    job_.OnStage(stage, begin_ + fraction * (end_ - begin_));
  }
  void OnSublayer(const SublayerPruned& sublayer) override { job_.OnSublayer(sublayer); }
  void OnWarning(const std::string& message) override { job_.OnWarning(message); }
  bool cancelled() const override { return job_.cancelled(); }

 private:
  ProgressObserver& job_;
  const double begin_;
  const double end_;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_PHASE_PROGRESS_H_
