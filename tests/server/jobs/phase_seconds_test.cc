#include "server/jobs/phase_seconds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kprune {
namespace {

using ::testing::ElementsAre;

absl::Time At(double seconds) { return absl::UnixEpoch() + absl::Seconds(seconds); }

SublayerLine Sublayer(double measure, double search, double tune) {
  SublayerLine line;
  line.measure_seconds = measure;
  line.search_seconds = search;
  line.tune_seconds = tune;
  return line;
}

TEST(PhaseSecondsTest, Examples) {
  PhaseSeconds phases;
  phases.OnStage(Stage::kLoad, At(0));
  phases.OnStage(Stage::kMeasure, At(4));
  phases.OnStage(Stage::kTune, At(9));
  phases.OnSublayer(Sublayer(5, 0.5, 1));
  phases.OnSublayer(Sublayer(3, 0.5, 1));
  phases.OnStage(Stage::kVerify, At(15));
  phases.OnStage(Stage::kVerify, At(16));
  phases.OnStage(Stage::kExport, At(18));
  EXPECT_THAT(phases.End(At(20)), ElementsAre(4, 8, 1, 2, 3, 2));
}

TEST(PhaseSecondsTest, OfSeveralModelsThePhasesAreTheSum) {
  PhaseSeconds phases;
  for (const double start : {0, 100}) {
    phases.OnStage(Stage::kVerify, At(start));
    phases.OnStage(Stage::kSearch, At(start + 10));
  }
  EXPECT_EQ(phases.End(At(500))[static_cast<size_t>(Stage::kVerify)], 20);
}

TEST(PhaseSecondsTest, AWorkerThatSaysNothingHasNone) {
  EXPECT_THAT(PhaseSeconds().End(At(1)), testing::Each(std::nullopt));
}

}  // namespace
}  // namespace kprune
