// Closed by default: what a server must ask of its callers before others than this machine's own can reach
// it.
#ifndef KPRUNE_SERVER_EXPOSURE_H_
#define KPRUNE_SERVER_EXPOSURE_H_

#include "absl/status/status.h"
#include "server/flags.h"

namespace kprune {

// FailedPrecondition, in one sentence that says which flag is missing, where another address than loopback
// has no TLS, or asks nobody who they are, and --insecure does not allow it.
absl::Status CheckExposure(const ServerFlags& flags);

// Whether gRPC reflection is on: where it was asked for, or where nobody has to say who they are.
bool ReflectionIsOn(const ServerFlags& flags);

}  // namespace kprune

#endif  // KPRUNE_SERVER_EXPOSURE_H_
