#include "client/plain_display.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/event_text.h"
#include "client/quantities.h"

namespace kprune::client {

using kprune::v1::StageProgress;

void PlainDisplay::OnEvent(const kprune::v1::Event& event) {
  if (start_time_ == 0) start_time_ = TimeOf(event);
  switch (event.event_case()) {
    case kprune::v1::Event::kStateChanged:
      OnStateChanged(event.state_changed(), TimeOf(event));
      break;
    case kprune::v1::Event::kStage: {
      fraction_ = event.stage().fraction();
      // Measuring, searching and tuning alternate with every sublayer, which has a line of its own.
      const StageProgress::Stage stage = event.stage().stage();
      const bool inside = stage == StageProgress::SEARCH || stage == StageProgress::TUNE;
      if (stage == stage_ || inside || (stage == StageProgress::MEASURE && stage_ != StageProgress::LOAD))
        break;
      stage_ = stage;
      Print(StageName(stage));
      break;
    }
    case kprune::v1::Event::kSublayer:
      stage_ = StageProgress::TUNE;
      Print(SublayerText(event.sublayer()));
      break;
    case kprune::v1::Event::kWarning:
      Print(absl::StrCat("warning: ", event.warning().message()));
      break;
    case kprune::v1::Event::EVENT_NOT_SET:
      break;
  }
}

void PlainDisplay::OnStateChanged(const kprune::v1::StateChanged& change, double time) {
  if (change.state() == kprune::v1::RUNNING) {
    start_time_ = time;
    fraction_ = 0;
    stage_ = StageProgress::STAGE_UNSPECIFIED;
  }
  if (change.state() == kprune::v1::SUCCEEDED) fraction_ = 1;
  std::string line = StateText(change);
  if (IsFinal(change.state())) absl::StrAppend(&line, " after ", FormatSeconds(time - start_time_));
  Print(line);
}

void PlainDisplay::OnNote(const std::string& text) { Print(text); }

void PlainDisplay::Print(const std::string& line) {
  stream_ << absl::StrFormat("%3.0f %%  ", fraction_ * 100) << line << "\n" << std::flush;
}

}  // namespace kprune::client
