// The progress of a job that may make several models, one after the other.
#ifndef KPRUNE_WORKER_MODEL_PROGRESS_H_
#define KPRUNE_WORKER_MODEL_PROGRESS_H_

#include "engine/pruning/phase_progress.h"

namespace kprune {

// Says of every sublayer which model it belongs to, once SetModel was called.
class ModelProgress : public PhaseProgress {
 public:
  using PhaseProgress::PhaseProgress;

  void OnStage(Stage stage, double fraction) override {
    fraction_ = fraction;
    PhaseProgress::OnStage(stage, fraction);
  }
  void OnSublayer(const SublayerPruned& sublayer) override {
    SublayerPruned told = sublayer;
    told.keep_flops = keep_flops_;
    PhaseProgress::OnSublayer(told);
  }

  void SetModel(double keep_flops) { keep_flops_ = keep_flops; }

  // A stage that takes no share of the work.
  void Tell(Stage stage) { OnStage(stage, fraction_); }

 private:
  double keep_flops_ = 0;
  double fraction_ = 0;  // that was told last
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_MODEL_PROGRESS_H_
