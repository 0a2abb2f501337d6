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

struct ProgressLine {
  // Rebuilt from the known fields only, so it always parses as kprune.v1.Event.
  std::string payload_json;
  // Of a stage line.
  std::optional<double> fraction;
  // Of a sublayer line: its kind and the seconds it took.
  std::optional<SublayerKind> sublayer_kind;
  double sublayer_seconds = 0;
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
