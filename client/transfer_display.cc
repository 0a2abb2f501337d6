#include "client/transfer_display.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/quantities.h"

namespace kprune::client {
namespace {

constexpr char kClearLine[] = "\r\033[K";
constexpr absl::Duration kRedrawEvery = absl::Milliseconds(100);

}  // namespace

TransferDisplay::TransferDisplay(std::string verb, ProgressMode mode, const Screen& screen,
                                 std::ostream& stream, Now now)
    : verb_(std::move(verb)),
      mode_(Resolve(mode, screen)),
      screen_(screen),
      stream_(stream),
      now_(std::move(now)) {}

void TransferDisplay::Begin(const std::string& name, int64_t done, int64_t total) {
  name_ = name;
  first_ = done_ = done;
  total_ = total;
  start_ = now_();
  last_drawn_ = absl::InfinitePast();
}

std::string TransferDisplay::TimeLeft() const {
  const double seconds = absl::ToDoubleSeconds(now_() - start_);
  if (done_ <= first_ || seconds <= 0) return "";
  const double a_second = static_cast<double>(done_ - first_) / seconds;
  return absl::StrCat("  ", FormatSeconds(static_cast<double>(total_ - done_) / a_second), " left");
}

std::string TransferDisplay::Rate() const {
  const double seconds = std::max(1e-3, absl::ToDoubleSeconds(now_() - start_));
  return absl::StrCat(FormatBytes(static_cast<double>(done_ - first_) / seconds), "/s");
}

void TransferDisplay::Advance(int64_t done) {
  done_ = done;
  if (mode_ != ProgressMode::kBar || now_() - last_drawn_ < kRedrawEvery) return;
  last_drawn_ = now_();
  const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1;
  const std::string line = absl::StrFormat(
      "%s %s [%s] %5.1f %%  %s of %s  %s%s", verb_, name_, FormatBar(share, 24), share * 100,
      FormatBytes(static_cast<double>(done_)), FormatBytes(static_cast<double>(total_)), Rate(), TimeLeft());
  stream_ << kClearLine << line.substr(0, static_cast<size_t>(std::max(1, screen_.columns - 1)))
          << std::flush;
  drawn_ = true;
}

void TransferDisplay::End() {
  done_ = total_;
  if (mode_ == ProgressMode::kBar || mode_ == ProgressMode::kPlain) {
    Note(
        absl::StrCat(verb_, "ed ", name_, " (", FormatBytes(static_cast<double>(total_)), ", ", Rate(), ")"));
  }
}

void TransferDisplay::Close() {
  if (drawn_) stream_ << "\n" << std::flush;
  drawn_ = false;
}

void TransferDisplay::Note(const std::string& text) {
  if (mode_ != ProgressMode::kBar && mode_ != ProgressMode::kPlain) return;
  if (drawn_) stream_ << kClearLine;
  drawn_ = false;
  stream_ << text << "\n" << std::flush;
}

}  // namespace kprune::client
