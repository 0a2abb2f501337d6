// Events as text. Pure functions, shared by the displays.
#ifndef KPRUNE_CLIENT_EVENT_TEXT_H_
#define KPRUNE_CLIENT_EVENT_TEXT_H_

#include <string>

#include "kprune/v1/job.pb.h"

namespace kprune::client {

// "load", "measure", ...
std::string StageName(kprune::v1::StageProgress::Stage stage);

// "queued", "running", ...
std::string StateName(kprune::v1::JobState state);

// Whether a job in this state stays in it.
bool IsFinal(kprune::v1::JobState state);

// "[ 5/24] layer 2 attention: kept 7 of 12 heads, 2.31 s, cholesky, error 0.031"; of several models "keep 0.7
// [..."
std::string SublayerText(const kprune::v1::SublayerPruned& sublayer);

// "running", "running (attempt 2)", "failed: INVALID_ARGUMENT: ..."
std::string StateText(const kprune::v1::StateChanged& change);

// Seconds since the epoch.
double TimeOf(const kprune::v1::Event& event);

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_EVENT_TEXT_H_
