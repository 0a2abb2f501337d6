// One line for each change: states, stages, sublayers, warnings. For logs and pipes.
#ifndef KPRUNE_CLIENT_PLAIN_DISPLAY_H_
#define KPRUNE_CLIENT_PLAIN_DISPLAY_H_

#include <ostream>
#include <string>

#include "client/progress_display.h"

namespace kprune::client {

// See ProgressDisplay. Lines begin with the percentage done.
class PlainDisplay : public ProgressDisplay {
 public:
  explicit PlainDisplay(std::ostream& stream) : stream_(stream) {}

  void OnEvent(const kprune::v1::Event& event) override;
  void OnNote(const std::string& text) override;

 private:
  void OnStateChanged(const kprune::v1::StateChanged& change, double time);
  void Print(const std::string& line);

  std::ostream& stream_;
  kprune::v1::StageProgress::Stage stage_ = kprune::v1::StageProgress::STAGE_UNSPECIFIED;
  double fraction_ = 0;
  double start_time_ = 0;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_PLAIN_DISPLAY_H_
