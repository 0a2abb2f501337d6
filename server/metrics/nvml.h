// NVIDIA's management library, as far as metrics need it: loaded when a GPU is to be read, never linked. The
// functions are a seam: tests bring their own.
#ifndef KPRUNE_SERVER_METRICS_NVML_H_
#define KPRUNE_SERVER_METRICS_NVML_H_

#include <optional>

namespace kprune {

// The C interface of libnvidia-ml (nvml.h): 0 is success.
struct NvmlFunctions {
  using Device = void*;
  struct Memory {
    unsigned long long total, free, used;  // NOLINT: the library's types
  };
  struct Utilization {
    unsigned gpu, memory;  // percent of the time
  };

  int (*init)();
  int (*device_by_index)(unsigned index, Device* device);
  int (*device_by_uuid)(const char* uuid, Device* device);
  int (*device_name)(Device device, char* name, unsigned length);
  int (*device_memory)(Device device, Memory* memory);
  int (*device_utilization)(Device device, Utilization* utilization);
};

// Of the library on this machine, which then stays loaded, initialised. Nothing where there is none, or where
// it lacks one of the functions.
std::optional<NvmlFunctions> LoadNvml(const char* library = "libnvidia-ml.so.1");

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_NVML_H_
