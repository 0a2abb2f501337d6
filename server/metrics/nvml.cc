#include "server/metrics/nvml.h"

#include <dlfcn.h>

namespace kprune {
namespace {

template <typename Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

std::optional<NvmlFunctions> LoadNvml(const char* library) {
  void* const loaded = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (loaded == nullptr) return std::nullopt;
  NvmlFunctions nvml{};
  const bool complete = Find(loaded, "nvmlInit_v2", nvml.init) &&
                        Find(loaded, "nvmlDeviceGetHandleByIndex_v2", nvml.device_by_index) &&
                        Find(loaded, "nvmlDeviceGetHandleByUUID", nvml.device_by_uuid) &&
                        Find(loaded, "nvmlDeviceGetName", nvml.device_name) &&
                        Find(loaded, "nvmlDeviceGetMemoryInfo", nvml.device_memory) &&
                        Find(loaded, "nvmlDeviceGetUtilizationRates", nvml.device_utilization);
  if (complete && nvml.init() == 0) return nvml;
  dlclose(loaded);
  return std::nullopt;
}

}  // namespace kprune
