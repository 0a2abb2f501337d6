#include "client/bar_display.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/event_text.h"
#include "client/quantities.h"

namespace kprune::client {
namespace {

constexpr char kClearLine[] = "\r\033[K";
constexpr int kBarCells = 16;
constexpr double kLeastFractionForRemaining = 0.02;

}  // namespace

void BarDisplay::OnEvent(const kprune::v1::Event& event) {
  now_ = TimeOf(event);
  if (start_time_ == 0) start_time_ = origin_time_ = now_;
  switch (event.event_case()) {
    case kprune::v1::Event::kStateChanged:
      OnStateChanged(event.state_changed(), now_);
      break;
    case kprune::v1::Event::kStage:
      OnStage(event.stage());
      break;
    case kprune::v1::Event::kSublayer:
      OnSublayer(event.sublayer());
      break;
    case kprune::v1::Event::kWarning:
      PrintAbove(absl::StrCat("warning: ", event.warning().message()), Colour::kYellow);
      break;
    case kprune::v1::Event::EVENT_NOT_SET:
      break;
  }
  if (finished_) return;
  stream_ << kClearLine << BarText() << std::flush;
  drawn_ = true;
}

void BarDisplay::OnStateChanged(const kprune::v1::StateChanged& change, double time) {
  stage_ = StateName(change.state());
  finished_ = false;
  if (change.state() == kprune::v1::RUNNING) {
    // A new attempt begins at the bottom of the model again, or goes on from a checkpoint: its next sublayer
    // tells.
    start_time_ = origin_time_ = time;
    fraction_ = origin_fraction_ = 0;
    measuring_ = false;
    resumed_ = change.attempt() > 1;
    done_ = total_ = 0;
  }
  if (change.state() == kprune::v1::RETRY_WAIT) PrintAbove(StateText(change), Colour::kYellow);
  if (!IsFinal(change.state())) return;
  const bool succeeded = change.state() == kprune::v1::SUCCEEDED;
  PrintAbove(absl::StrCat(StateText(change), " after ", FormatSeconds(now_ - start_time_)),
             succeeded ? Colour::kGreen : Colour::kRed);
  finished_ = true;
}

void BarDisplay::OnStage(const kprune::v1::StageProgress& stage) {
  stage_ = StageName(stage.stage());
  fraction_ = stage.fraction();
  if (measuring_ || stage.stage() != kprune::v1::StageProgress::MEASURE) return;
  measuring_ = true;
  if (!resumed_) return;
  origin_time_ = now_;
  origin_fraction_ = fraction_;
}

void BarDisplay::OnSublayer(const kprune::v1::SublayerPruned& sublayer) {
  if (!measuring_) resumed_ = true;  // it was in the checkpoint
  done_ = sublayer.index() + 1;
  total_ = sublayer.total();
  sublayers_[sublayer.index()] = {sublayer.kept(), sublayer.units()};
  PrintAbove(SublayerText(sublayer), Colour::kPlain);
}

std::string BarDisplay::BarText() const {
  const double elapsed = std::max(0.0, now_ - start_time_);
  std::string text =
      absl::StrFormat("[%s] %5.1f %% %-7s", FormatBar(fraction_, kBarCells), fraction_ * 100, stage_);
  if (total_ > 0) absl::StrAppendFormat(&text, "  %d/%d", done_, total_);
  absl::StrAppend(&text, "  ", FormatSeconds(elapsed));
  const double progress = fraction_ - origin_fraction_;
  if (progress >= kLeastFractionForRemaining && fraction_ < 1) {
    absl::StrAppend(&text, "  ETA ", FormatSeconds((now_ - origin_time_) * (1 - fraction_) / progress));
  }
  int64_t kept = 0, units = 0;
  for (auto it = sublayers_.begin(); it != sublayers_.lower_bound(done_); ++it) {
    kept += it->second.kept;
    units += it->second.units;
  }
  if (units > 0) absl::StrAppendFormat(&text, "  kept %d/%d units", kept, units);
  // A line that wraps could not be redrawn.
  return text.substr(0, static_cast<size_t>(std::max(1, screen_.columns - 1)));
}

void BarDisplay::PrintAbove(const std::string& line, Colour colour) {
  if (drawn_) stream_ << kClearLine;
  drawn_ = false;
  if (screen_.colour && colour != Colour::kPlain) {
    stream_ << "\033[" << static_cast<int>(colour) << "m" << line << "\033[0m\n" << std::flush;
  } else {
    stream_ << line << "\n" << std::flush;
  }
}

void BarDisplay::OnNote(const std::string& text) { PrintAbove(text, Colour::kYellow); }

void BarDisplay::Close() {
  if (drawn_) stream_ << "\n" << std::flush;
  drawn_ = false;
}

}  // namespace kprune::client
