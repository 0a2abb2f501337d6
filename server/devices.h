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

namespace kprune {

struct Device {
  std::string id;  // "cpu" or "cuda:N"
  std::string name;
  int64_t memory_bytes = 0;
};

// The devices of `choice`: "auto" (every GPU, or the processor where there is none) or a comma-separated list
// of ids. Runs `worker --probe`, which prints a JSON array [{"id": "cpu", "name": "...", "memory_bytes": N}],
// and waits at most 30 s for it. NotFound (no such program), InvalidArgument (an id that this machine lacks,
// or given twice), FailedPrecondition (the probe failed or printed something else).
absl::StatusOr<std::vector<Device>> FindDevices(const std::filesystem::path& worker, std::string_view choice);

}  // namespace kprune

#endif  // KPRUNE_SERVER_DEVICES_H_
