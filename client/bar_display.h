// A progress bar: one line that is redrawn, and above it a line for each finished sublayer.
#ifndef KPRUNE_CLIENT_BAR_DISPLAY_H_
#define KPRUNE_CLIENT_BAR_DISPLAY_H_

#include <cstdint>
#include <map>
#include <ostream>
#include <string>

#include "client/progress_display.h"

namespace kprune::client {

// See ProgressDisplay. The remaining time is elapsed * (1 - fraction) / fraction; of an attempt that goes on
// from a checkpoint, time and fraction count from where it began to measure.
class BarDisplay : public ProgressDisplay {
 public:
  BarDisplay(const Screen& screen, std::ostream& stream) : screen_(screen), stream_(stream) {}

  void OnEvent(const kprune::v1::Event& event) override;
  void OnNote(const std::string& text) override;
  void Close() override;

 private:
  enum class Colour { kPlain = 0, kRed = 31, kGreen = 32, kYellow = 33 };

  void OnStage(const kprune::v1::StageProgress& stage);
  void OnStateChanged(const kprune::v1::StateChanged& change, double time);
  void OnSublayer(const kprune::v1::SublayerPruned& sublayer);
  void PrintAbove(const std::string& line, Colour colour);
  std::string BarText() const;

  const Screen screen_;
  std::ostream& stream_;

  std::string stage_ = "queued";
  double fraction_ = 0;
  double start_time_ = 0;  // seconds since the epoch; 0 before the first event
  double now_ = 0;
  double origin_time_ = 0;  // from where the remaining time is told
  double origin_fraction_ = 0;
  bool measuring_ = false;  // in this attempt
  bool resumed_ = false;    // or may be
  int done_ = 0;            // sublayers
  int total_ = 0;
  struct Units {
    int64_t kept = 0;
    int64_t units = 0;
  };
  std::map<int, Units> sublayers_;  // by index; of earlier attempts too
  bool drawn_ = false;
  bool finished_ = false;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_BAR_DISPLAY_H_
