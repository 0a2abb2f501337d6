// The progress of a job that may make several models, one after the other, and may be ended early.
#ifndef KPRUNE_WORKER_MODEL_PROGRESS_H_
#define KPRUNE_WORKER_MODEL_PROGRESS_H_

#include "engine/pruning/phase_progress.h"
#include "worker/early_end.h"

namespace kprune {

// Says of every sublayer which model it belongs to, once SetModel was called.
class ModelProgress : public PhaseProgress {
 public:
  // `early_end` is borrowed.
  ModelProgress(ProgressObserver& observer, double from, double to, const EarlyEnd& early_end)
      : PhaseProgress(observer, from, to), early_end_(early_end) {}

  void OnStage(Stage stage, double fraction) override {
    fraction_ = fraction;
    PhaseProgress::OnStage(stage, fraction);
  }
  void OnSublayer(const SublayerPruned& sublayer) override {
    SublayerPruned told = sublayer;
    told.keep_flops = keep_flops_;
    PhaseProgress::OnSublayer(told);
    something_to_keep_ = true;
  }

  // Also where the job is to end early and nothing is worth to be kept.
  bool cancelled() const override {
    return PhaseProgress::cancelled() || (!something_to_keep_ && early_end_.asked());
  }

  void SetModel(double keep_flops) { keep_flops_ = keep_flops; }

  // A sublayer was finished by an earlier run.
  void SetSomethingToKeep() { something_to_keep_ = true; }

  // A stage that takes no share of the work.
  void Tell(Stage stage) { OnStage(stage, fraction_); }

 private:
  const EarlyEnd& early_end_;
  bool something_to_keep_ = false;
  double keep_flops_ = 0;
  double fraction_ = 0;  // that was told last
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_MODEL_PROGRESS_H_
