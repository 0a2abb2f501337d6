#include "worker/devices.h"

#include <ATen/Context.h>
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "engine/kernels/kernels.h"
#include "worker/processors.h"

namespace kprune {
namespace {

struct Gpu {
  std::string name;
  int64_t memory_bytes = 0;
  int compute_capability = 0;  // major version; 8 and up have bfloat16 tensor cores
};

template <typename Function>
Function Symbol(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

// Asks the CUDA driver, where there is one; its few functions need no toolkit.
std::vector<Gpu> FindGpus() {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver == nullptr) return {};
  const auto init = Symbol<int (*)(unsigned)>(driver, "cuInit");
  const auto count_devices = Symbol<int (*)(int*)>(driver, "cuDeviceGetCount");
  const auto get_name = Symbol<int (*)(char*, int, int)>(driver, "cuDeviceGetName");
  const auto get_memory = Symbol<int (*)(size_t*, int)>(driver, "cuDeviceTotalMem_v2");
  const auto get_attribute = Symbol<int (*)(int*, int, int)>(driver, "cuDeviceGetAttribute");
  constexpr int kComputeCapabilityMajor = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
  int count = 0;
  if (get_attribute == nullptr) return {};
  if (init == nullptr || count_devices == nullptr || get_name == nullptr || get_memory == nullptr) return {};
  if (init(0) != 0 || count_devices(&count) != 0) return {};
  std::vector<Gpu> gpus;
  for (int device = 0; device < count; ++device) {
    char name[256] = "";
    size_t memory = 0;
    if (get_name(name, sizeof(name), device) != 0 || get_memory(&memory, device) != 0) return {};
    int major = 0;
    if (get_attribute(&major, kComputeCapabilityMajor, device) != 0) return {};
    gpus.push_back({name, static_cast<int64_t>(memory), major});
  }
  return gpus;
}

// The GPUs that LibTorch can use: registering its CUDA library must precede the first question for CUDA.
const std::vector<Gpu>& UsableGpus() {
  static const std::vector<Gpu> gpus = [] {
    std::vector<Gpu> found = FindGpus();
    if (!found.empty() && dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) found.clear();
    if (!found.empty() && !at::globalContext().hasCUDA()) found.clear();
    return found;
  }();
  return gpus;
}

std::string ProcessorName() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

}  // namespace

nlohmann::json ProbeDevices() {
  const int64_t memory = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  nlohmann::json devices = {{{"id", "cpu"}, {"name", ProcessorName()}, {"memory_bytes", memory}}};
  for (size_t i = 0; i < UsableGpus().size(); ++i) {
    devices.push_back({{"id", absl::StrCat("cuda:", i)},
                       {"name", UsableGpus()[i].name},
                       {"memory_bytes", UsableGpus()[i].memory_bytes}});
  }
  return devices;
}

absl::StatusOr<at::Device> ResolveDevice(const std::string& device) {
  if (device == "cpu") return at::Device(at::kCPU);
  const int gpus = static_cast<int>(UsableGpus().size());
  if (device == "auto") return gpus > 0 ? at::Device(at::kCUDA, 0) : at::Device(at::kCPU);
  absl::string_view index_text = device;
  int index = 0;
  if (absl::ConsumePrefix(&index_text, "cuda:") && absl::SimpleAtoi(index_text, &index) && index >= 0 &&
      index < gpus) {
    return at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
  }
  std::vector<std::string> available = {"auto", "cpu"};
  for (int i = 0; i < gpus; ++i) available.push_back(absl::StrCat("cuda:", i));
  return absl::InvalidArgumentError(absl::StrCat(
      "device \"", device, "\" is not on this machine; accepted here are ", absl::StrJoin(available, ", ")));
}

at::ScalarType ComputeType(const std::string& precision, at::Device device) {
  if (precision != "auto") return precision == "bf16" ? at::kBFloat16 : at::kFloat;
  const bool fast =
      device.is_cpu() ? HasFastBFloat16() : UsableGpus()[device.index()].compute_capability >= 8;
  return fast ? at::kBFloat16 : at::kFloat;
}

std::string PrecisionWarning(at::ScalarType type, at::Device device) {
  if (type != at::kBFloat16 || !device.is_cpu() || HasFastBFloat16()) return "";
  return "precision \"bf16\" is less exact than \"fp32\" here and no faster: this processor has no fast "
         "instructions for bfloat16 (AMX, AVX512-FP16, or AVX512-BF16 of AMD's); \"auto\" chooses what is "
         "fastest";
}

void UseDeterministicAlgorithms(at::Device device) {
  if (!device.is_cuda()) return;
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
  // cuDNN compiles a plan for every shape of attention, and every layer keeps another number of heads.
  at::globalContext().setSDPUseCuDNN(false);
  // Every buffer is written before it is read.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
}

int64_t FreeMemoryBytes(at::Device device) {
  if (!device.is_cpu()) return UsableGpus()[device.index()].memory_bytes / 10 * 9;
  return AvailableMemory();
}

std::string DeviceName(at::Device device) {
  return device.is_cpu() ? ProcessorName() : UsableGpus()[device.index()].name;
}

}  // namespace kprune
