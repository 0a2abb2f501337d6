// How a job's events are shown while it runs: a bar, plain lines, JSON lines or nothing. Everything goes to
// one stream, standard error in production, so that standard output carries results only.
#ifndef KPRUNE_CLIENT_PROGRESS_DISPLAY_H_
#define KPRUNE_CLIENT_PROGRESS_DISPLAY_H_

#include <memory>
#include <ostream>
#include <string>

#include "kprune/v1/job.pb.h"

namespace kprune::client {

enum class ProgressMode { kAuto, kBar, kPlain, kJson, kNone };

// What is known of the stream's other end.
struct Screen {
  bool is_terminal = false;
  int columns = 80;
  bool colour = false;  // a terminal, and NO_COLOR is not set

  // Of standard error.
  static Screen OfStandardError();
};

// Not thread-safe. Times come from the events, so that what is shown does not depend on this machine's clock.
class ProgressDisplay {
 public:
  virtual ~ProgressDisplay() = default;

  // Shows one event. Events come in order; `time` is set.
  virtual void OnEvent(const kprune::v1::Event& event) = 0;

  // Says something that is not an event of the job (a lost connection). Left out in JSON, whose events are
  // complete anyway.
  virtual void OnNote(const std::string& text) = 0;

  // Ends a line that is being redrawn, so that other text can follow. May be called more than once.
  virtual void Close() {}
};

// kAuto is a bar on a terminal and plain lines elsewhere. `stream` must outlive the display.
std::unique_ptr<ProgressDisplay> MakeProgressDisplay(ProgressMode mode, const Screen& screen,
                                                     std::ostream& stream);

// What kAuto means on that screen.
ProgressMode Resolve(ProgressMode mode, const Screen& screen);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_PROGRESS_DISPLAY_H_
