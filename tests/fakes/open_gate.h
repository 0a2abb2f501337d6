// The gate of a server that asks nobody who they are.
#ifndef KPRUNE_TESTS_FAKES_OPEN_GATE_H_
#define KPRUNE_TESTS_FAKES_OPEN_GATE_H_

#include "kprune/metrics.h"
#include "server/auth/access_control.h"
#include "server/jobs/system_clock.h"
#include "server/rpc/gate.h"

namespace kprune {

// Thread-safe. Borrows `metrics`.
struct OpenGate {
  explicit OpenGate(Metrics& metrics) : access({}, clock, metrics) {}

  SystemClock clock;
  AccessControl access;
  Gate gate{access, nullptr};
};

}  // namespace kprune

#endif  // KPRUNE_TESTS_FAKES_OPEN_GATE_H_
