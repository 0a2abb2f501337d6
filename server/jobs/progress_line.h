// One line of a worker's progress, checked: what a worker sends is not trusted, since a hostile model may
// have taken it over.
#ifndef KPRUNE_SERVER_JOBS_PROGRESS_LINE_H_
#define KPRUNE_SERVER_JOBS_PROGRESS_LINE_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kprune/progress.h"

namespace kprune {

// What counts of a sublayer line.
struct SublayerLine {
  SublayerKind kind = SublayerKind::kFeedForward;
  std::string solver;
  double measure_seconds = 0, search_seconds = 0, tune_seconds = 0;

  double seconds() const { return measure_seconds + search_seconds + tune_seconds; }
};

struct ProgressLine {
  // Rebuilt from the known fields only, so it always parses as kprune.v1.Event.
  std::string payload_json;
  // Of a stage line.
  std::optional<Stage> stage;
  std::optional<double> fraction;
  // Of a sublayer line.
  std::optional<SublayerLine> sublayer;
  // Of a warning: memory ran out, and the worker goes on with smaller batches.
  bool is_out_of_memory = false;
};

// Fractions of stages, which a worker counts from 0, are put into [begin, 1]: what came before it did the
// rest. INVALID_ARGUMENT: no JSON object, not exactly one of stage, sublayer and warning, an unknown name, or
// a value of another type or outside its range.
absl::StatusOr<ProgressLine> ParseProgressLine(std::string_view line, double begin = 0);

// Events of the server's own, as payload.
std::string WarningPayload(std::string_view message);
std::string LoadPayload(double fraction);

}  // namespace kprune

#endif  // KPRUNE_SERVER_JOBS_PROGRESS_LINE_H_
