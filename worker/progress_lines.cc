#include "worker/progress_lines.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace kprune {
namespace {

const char* NameOf(Stage stage) {
  switch (stage) {
    case Stage::kLoad:
      return "LOAD";
    case Stage::kMeasure:
      return "MEASURE";
    case Stage::kSearch:
      return "SEARCH";
    case Stage::kTune:
      return "TUNE";
    case Stage::kVerify:
      return "VERIFY";
    case Stage::kExport:
      return "EXPORT";
  }
  return "STAGE_UNSPECIFIED";
}

}  // namespace

void ProgressLines::OnStage(Stage stage, double fraction) {
  const auto now = std::chrono::steady_clock::now();
  fraction = std::max(fraction, last_fraction_);
  const bool soon = now - last_line_ < std::chrono::milliseconds(200);
  if (last_fraction_ >= 0 && stage == last_stage_ && soon && fraction < 1) return;
  last_stage_ = stage;
  last_fraction_ = fraction;
  last_line_ = now;
  Write("stage", {{"stage", NameOf(stage)}, {"fraction", fraction}});
}

void ProgressLines::OnSublayer(const SublayerPruned& sublayer) {
  nlohmann::json body = {{"index", sublayer.index},
                         {"total", sublayer.total},
                         {"layer", sublayer.layer},
                         {"kind", sublayer.kind == SublayerKind::kAttention ? "ATTENTION" : "FEED_FORWARD"},
                         {"units", sublayer.units},
                         {"kept", sublayer.kept},
                         {"budget_left_flops", sublayer.budget_left_flops},
                         {"seconds",
                          {{"measure", sublayer.measure_seconds},
                           {"search", sublayer.search_seconds},
                           {"tune", sublayer.tune_seconds}}},
                         {"solver", sublayer.solver},
                         {"reconstruction_error", sublayer.reconstruction_error}};
  if (sublayer.keep_flops > 0) body["keep_flops"] = sublayer.keep_flops;
  Write("sublayer", body);
}

void ProgressLines::OnWarning(const std::string& message) { Write("warning", {{"message", message}}); }

void ProgressLines::Write(const char* event, const nlohmann::json& body) {
  if (descriptor_ < 0 || broken_) return;
  const std::string time = absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", absl::Now(), absl::UTCTimeZone());
  const std::string line = nlohmann::json{{"time", time}, {event, body}}.dump() + "\n";
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t n = write(descriptor_, line.data() + written, line.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      broken_ = true;
      return;
    }
    written += static_cast<size_t>(n);
  }
}

}  // namespace kprune
