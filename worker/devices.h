// The devices of this machine.
#ifndef KPRUNE_WORKER_DEVICES_H_
#define KPRUNE_WORKER_DEVICES_H_

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace kprune {

// [{"id": "cpu", "name": "...", "memory_bytes": N}, {"id": "cuda:0", ...}]. LibTorch's CUDA library is opened
// only where the driver is there, so one worker serves both kinds of machine.
nlohmann::json ProbeDevices();

// "auto" takes cuda:0 where there is one, else the CPU. InvalidArgument names the devices that are there.
absl::StatusOr<at::Device> ResolveDevice(const std::string& device);

// Precision "auto", "fp32" or "bf16" as a type: "auto" is bfloat16 where `device` multiplies such matrices
// faster than float32 ones (AMX, AVX512-FP16, AVX512-BF16 of AMD's, or a GPU's tensor cores).
at::ScalarType ComputeType(const std::string& precision, at::Device device);

// Why computing in `type` on `device` does not pay; empty where it does.
std::string PrecisionWarning(at::ScalarType type, at::Device device);

// Makes LibTorch take deterministic algorithms on a GPU (a CPU's are): the same job gives the same bytes; and
// of those, the ones that suit many shapes. Call before the first operation on the device.
void UseDeterministicAlgorithms(at::Device device);

// Memory that a job on `device` may fill: what is available of this machine's, within the limits of the
// container, or the GPU's; 0 where it cannot be told.
int64_t FreeMemoryBytes(at::Device device);

// The processor's or GPU's name.
std::string DeviceName(at::Device device);

}  // namespace kprune

#endif  // KPRUNE_WORKER_DEVICES_H_
