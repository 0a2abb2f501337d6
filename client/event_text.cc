#include "client/event_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/quantities.h"

namespace kprune::client {

using kprune::v1::SublayerPruned;

std::string StageName(kprune::v1::StageProgress::Stage stage) {
  return absl::AsciiStrToLower(kprune::v1::StageProgress::Stage_Name(stage));
}

std::string StateName(kprune::v1::JobState state) {
  return absl::AsciiStrToLower(kprune::v1::JobState_Name(state));
}

bool IsFinal(kprune::v1::JobState state) {
  return state == kprune::v1::SUCCEEDED || state == kprune::v1::FAILED || state == kprune::v1::CANCELLED;
}

std::string SublayerText(const SublayerPruned& sublayer) {
  const bool attention = sublayer.kind() == SublayerPruned::ATTENTION;
  const int digits = static_cast<int>(absl::StrCat(sublayer.total()).size());
  const double seconds =
      sublayer.seconds().measure() + sublayer.seconds().search() + sublayer.seconds().tune();
  std::string text = sublayer.has_keep_flops() ? absl::StrFormat("keep %g ", sublayer.keep_flops()) : "";
  absl::StrAppendFormat(&text, "[%*d/%d] layer %d %s: kept %d of %d %s, %s", digits, sublayer.index() + 1,
                        sublayer.total(), sublayer.layer(), attention ? "attention" : "feed-forward",
                        sublayer.kept(), sublayer.units(), attention ? "heads" : "neurons",
                        FormatSeconds(seconds));
  if (!sublayer.solver().empty()) absl::StrAppend(&text, ", ", sublayer.solver());
  if (sublayer.reconstruction_error() > 0)
    absl::StrAppendFormat(&text, ", error %.3f", sublayer.reconstruction_error());
  return text;
}

std::string StateText(const kprune::v1::StateChanged& change) {
  std::string text = StateName(change.state());
  if (change.attempt() > 1 && !IsFinal(change.state()))
    absl::StrAppend(&text, " (attempt ", change.attempt(), ")");
  if (change.ending_early()) absl::StrAppend(&text, " (ending early)");
  if (change.has_error()) absl::StrAppend(&text, ": ", change.error().code(), ": ", change.error().message());
  return text;
}

double TimeOf(const kprune::v1::Event& event) { return event.time().seconds() + event.time().nanos() * 1e-9; }

}  // namespace kprune::client
