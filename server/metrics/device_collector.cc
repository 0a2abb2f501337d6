#include "server/metrics/device_collector.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/log.h"
#include "server/metrics/series.h"

namespace kprune {
namespace {

using GpuHandle = NvmlFunctions::Device;

constexpr unsigned kLongestName = 96;  // NVML_DEVICE_NAME_V2_BUFFER_SIZE

// The GPU that `id`, "cuda:N", stands for.
absl::StatusOr<GpuHandle> FindGpu(const NvmlFunctions& nvml, const Device& device, std::string_view visible) {
  std::string place = device.id.substr(device.id.find(':') + 1);
  unsigned index = 0;
  if (!absl::SimpleAtoi(place, &index)) return absl::NotFoundError("it has no number");
  const std::vector<std::string> entries =
      absl::StrSplit(absl::string_view(visible.data(), visible.size()), ',', absl::SkipWhitespace());
  if (!entries.empty() && index >= entries.size())
    return absl::NotFoundError("CUDA_VISIBLE_DEVICES has fewer entries");
  if (!entries.empty()) place = entries[index];
  GpuHandle gpu = nullptr;
  const int found = absl::SimpleAtoi(place, &index) ? nvml.device_by_index(index, &gpu)
                                                    : nvml.device_by_uuid(place.c_str(), &gpu);
  if (found != 0) return absl::NotFoundError(absl::StrCat("NVML knows no GPU ", place));
  std::array<char, kLongestName> name{};
  if (nvml.device_name(gpu, name.data(), kLongestName) != 0 || device.name != name.data()) {
    return absl::NotFoundError(
        absl::StrCat("CUDA calls it ", device.name, " and NVML ", name.data(),
                     "; CUDA_DEVICE_ORDER=PCI_BUS_ID in the environment makes both count in the same order"));
  }
  return gpu;
}

// The value of a line "Key:   N kB", in bytes.
std::optional<double> MemInfo(const std::filesystem::path& file, const std::string& key) {
  std::ifstream in(file);
  double kilobytes = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key + ":") && std::sscanf(line.c_str() + key.size() + 1, "%lf", &kilobytes) == 1)
      return kilobytes * 1024;
  }
  return std::nullopt;
}

}  // namespace

DeviceCollector::DeviceCollector(const std::vector<Device>& devices, std::optional<NvmlFunctions> nvml,
                                 std::string_view visible_gpus, std::filesystem::path proc)
    : nvml_(nvml), proc_(std::move(proc)) {
  for (const Device& device : devices) {
    if (device.id == "cpu") {
      devices_[device.id] = std::nullopt;
      continue;
    }
    const absl::StatusOr<GpuHandle> gpu =
        nvml_ ? FindGpu(*nvml_, device, visible_gpus) : absl::NotFoundError("there is no libnvidia-ml.so.1");
    if (gpu.ok()) devices_[device.id] = *gpu;
    if (!gpu.ok())
      LogWarning("device-not-measured",
                 {{"device", device.id}, {"reason", std::string(gpu.status().message())}});
  }
}

DeviceCollector::Usage DeviceCollector::ReadMachine() const {
  Usage usage;
  usage.memory_bytes = MemInfo(proc_ / "meminfo", "MemTotal");
  const std::optional<double> available = MemInfo(proc_ / "meminfo", "MemAvailable");
  if (usage.memory_bytes && available) usage.memory_used_bytes = *usage.memory_bytes - *available;
  double load = 0;
  if (std::ifstream(proc_ / "loadavg") >> load)
    usage.utilization_ratio = std::min(1.0, load / std::max(1u, std::thread::hardware_concurrency()));
  return usage;
}

DeviceCollector::Usage DeviceCollector::ReadGpu(GpuHandle gpu) const {
  Usage usage;
  NvmlFunctions::Memory memory{};
  if (nvml_->device_memory(gpu, &memory) == 0) {
    usage.memory_bytes = static_cast<double>(memory.total);
    usage.memory_used_bytes = static_cast<double>(memory.used);
  }
  NvmlFunctions::Utilization utilization{};
  // A GPU that is cut into instances does not say.
  if (nvml_->device_utilization(gpu, &utilization) == 0)
    usage.utilization_ratio = std::min(1.0, utilization.gpu / 100.0);
  return usage;
}

std::vector<prometheus::MetricFamily> DeviceCollector::Collect() const {
  prometheus::MetricFamily memory =
      GaugeFamily("kprune_device_memory_bytes", "Bytes of memory that the device has");
  prometheus::MetricFamily used =
      GaugeFamily("kprune_device_memory_used_bytes", "Bytes of the device's memory that are in use");
  prometheus::MetricFamily utilization =
      GaugeFamily("kprune_device_utilization_ratio", "Share of the device that is in use");
  for (const auto& [id, gpu] : devices_) {
    const Usage usage = gpu ? ReadGpu(*gpu) : ReadMachine();
    const SeriesLabels labels = {{"device", id}};
    if (usage.memory_bytes) AddSample(memory, labels, *usage.memory_bytes);
    if (usage.memory_used_bytes) AddSample(used, labels, *usage.memory_used_bytes);
    if (usage.utilization_ratio) AddSample(utilization, labels, *usage.utilization_ratio);
  }
  return {std::move(memory), std::move(used), std::move(utilization)};
}

}  // namespace kprune
