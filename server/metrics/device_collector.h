// How much the devices that run jobs are used, also by others: kprune_device_memory_bytes,
// kprune_device_memory_used_bytes and kprune_device_utilization_ratio. A GPU is asked by NVML; for "cpu" it
// is the machine's memory, and the processes that want a processor for each one there is.
#ifndef KPRUNE_SERVER_METRICS_DEVICE_COLLECTOR_H_
#define KPRUNE_SERVER_METRICS_DEVICE_COLLECTOR_H_

#include <prometheus/collectable.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/devices.h"
#include "server/metrics/nvml.h"

namespace kprune {

// Thread-safe.
class DeviceCollector final : public prometheus::Collectable {
 public:
  // `visible_gpus`: CUDA_VISIBLE_DEVICES, which says what cuda:0, cuda:1 ... are; empty: the machine's, in
  // order. A GPU that NVML does not know by that, or by another name than CUDA's, has no series, and the log
  // says so: another's would be wrong. `proc`: the folder of the kernel's files; another one in tests.
  DeviceCollector(const std::vector<Device>& devices, std::optional<NvmlFunctions> nvml,
                  std::string_view visible_gpus, std::filesystem::path proc = "/proc");

  // Leaves out what cannot be read.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  struct Usage {
    std::optional<double> memory_bytes, memory_used_bytes, utilization_ratio;
  };

  Usage ReadMachine() const;
  Usage ReadGpu(NvmlFunctions::Device gpu) const;

  // Constant after construction.
  const std::optional<NvmlFunctions> nvml_;
  const std::filesystem::path proc_;
  std::map<std::string, std::optional<NvmlFunctions::Device>> devices_;  // by id; nothing for "cpu"
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_DEVICE_COLLECTOR_H_
