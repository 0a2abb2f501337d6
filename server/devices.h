// The devices that run jobs, one worker each. The server has no torch: the worker program says what this
// machine has.
#ifndef KPRUNE_SERVER_DEVICES_H_
#define KPRUNE_SERVER_DEVICES_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace kprune {

struct Device {
  std::string id;  // "cpu" or "cuda:N"
  std::string name;
  int64_t memory_bytes = 0;
};

// What `worker --probe` prints, a JSON array [{"id": "cpu", "name": "...", "memory_bytes": N}]. NotFound (no
// such program), FailedPrecondition (the probe failed or printed something else), DeadlineExceeded (no answer
// within `limit`).
// Where a `signing_key` is given, the probe also fails if workers could not sign with it; the worker says why
// on standard error.
absl::StatusOr<std::vector<Device>> ProbeDevices(const std::filesystem::path& worker, absl::Duration limit,
                                                 const std::string& signing_key = "");

// Those of `found` that `choice` names: "auto" (every GPU, or the processor where there is none) or a
// comma-separated list of ids. InvalidArgument for an id that was not found or is given twice.
absl::StatusOr<std::vector<Device>> ChooseDevices(const std::vector<Device>& found, std::string_view choice);

}  // namespace kprune

#endif  // KPRUNE_SERVER_DEVICES_H_
