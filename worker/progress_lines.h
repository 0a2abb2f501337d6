// A ProgressObserver that writes kprune.v1.Event lines to a descriptor.
#ifndef KPRUNE_WORKER_PROGRESS_LINES_H_
#define KPRUNE_WORKER_PROGRESS_LINES_H_

#include <atomic>
#include <chrono>
#include <string>

#include "kprune/progress.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Not thread-safe but for cancelled(). A descriptor of -1 writes nothing.
class ProgressLines : public ProgressObserver {
 public:
  // `stop` is borrowed: true once the job shall end. A write that fails (nobody reads) counts as that too.
  ProgressLines(int descriptor, const std::atomic<bool>& stop) : descriptor_(descriptor), stop_(stop) {}

  // Stage lines are written when the stage changes, and at most every 200 ms within one;
  // the end of the job (1) always is.
  void OnStage(Stage stage, double fraction) override;
  void OnSublayer(const SublayerPruned& sublayer) override;
  void OnWarning(const std::string& message) override;
  bool cancelled() const override { return stop_ || broken_; }

 private:
  void Write(const char* event, const nlohmann::json& body);

  const int descriptor_;
  const std::atomic<bool>& stop_;
  bool broken_ = false;
  Stage last_stage_ = Stage::kLoad;
  double last_fraction_ = -1;
  std::chrono::steady_clock::time_point last_line_;
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_PROGRESS_LINES_H_
