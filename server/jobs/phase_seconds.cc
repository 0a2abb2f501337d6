#include "server/jobs/phase_seconds.h"

namespace kprune {
namespace {

// The others' times are in the sublayers' lines: their stages take turns far more often than stage lines tell.
bool IsTimedByStageLines(Stage stage) {
  return stage == Stage::kLoad || stage == Stage::kVerify || stage == Stage::kExport;
}

}  // namespace

void PhaseSeconds::Add(Stage stage, double seconds) {
  std::optional<double>& sum = seconds_[static_cast<size_t>(stage)];
  sum = sum.value_or(0) + seconds;
}

void PhaseSeconds::OnStage(Stage stage, absl::Time now) {
  if (stage_ && IsTimedByStageLines(*stage_)) Add(*stage_, absl::ToDoubleSeconds(now - since_));
  stage_ = stage;
  since_ = now;
}

void PhaseSeconds::OnSublayer(const SublayerLine& sublayer) {
  Add(Stage::kMeasure, sublayer.measure_seconds);
  Add(Stage::kSearch, sublayer.search_seconds);
  Add(Stage::kTune, sublayer.tune_seconds);
}

std::array<std::optional<double>, 6> PhaseSeconds::End(absl::Time now) {
  if (stage_) OnStage(*stage_, now);
  return seconds_;
}

}  // namespace kprune
