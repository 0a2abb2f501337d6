// The devices of this machine.
#ifndef KPRUNE_WORKER_DEVICES_H_
#define KPRUNE_WORKER_DEVICES_H_

#include <c10/core/Device.h>

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace kprune {

// [{"id": "cpu", "name": "...", "memory_bytes": N}, {"id": "cuda:0", ...}]. LibTorch's CUDA library is opened
// only where the driver is there, so one worker serves both kinds of machine.
nlohmann::json ProbeDevices();

// "auto" takes cuda:0 where there is one, else the CPU. InvalidArgument names the devices that are there.
absl::StatusOr<at::Device> ResolveDevice(const std::string& device);

// The processor's or GPU's name.
std::string DeviceName(at::Device device);

}  // namespace kprune

#endif  // KPRUNE_WORKER_DEVICES_H_
