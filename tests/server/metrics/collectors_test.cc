// What is read at each scrape: of the machine, its GPUs, this process and the store.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/metric_family.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <string>

#include "server/artifacts/in_memory_tenant_artifacts.h"
#include "server/metrics/device_collector.h"
#include "server/metrics/process_collector.h"
#include "server/metrics/storage_collector.h"
#include "tests/support/process.h"

namespace kprune {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::TemporaryFolder;
using testing::WriteFile;

// Every sample's value by name{label}.
std::map<std::string, double> Values(const prometheus::Collectable& collector) {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : collector.Collect()) {
    for (const prometheus::ClientMetric& metric : family.metric) {
      const std::string label = metric.label.empty() ? "" : "{" + metric.label.front().value + "}";
      values[family.name + label] =
          family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
    }
  }
  return values;
}

// Two GPUs, as NVML would tell of them; the second is cut into instances.
NvmlFunctions TwoGpus() {
  static int first, second;
  NvmlFunctions nvml;
  nvml.init = [] { return 0; };
  nvml.device_by_index = [](unsigned index, void** device) {
    *device = index == 0 ? &first : &second;
    return index < 2 ? 0 : 6;
  };
  nvml.device_by_uuid = [](const char* uuid, void** device) {
    *device = &second;
    return std::strcmp(uuid, "GPU-2") == 0 ? 0 : 6;
  };
  nvml.device_name = [](void* device, char* name, unsigned length) {
    std::strncpy(name, device == &first ? "Large GPU" : "Small GPU", length);
    return 0;
  };
  nvml.device_memory = [](void* device, NvmlFunctions::Memory* memory) {
    *memory = device == &first ? NvmlFunctions::Memory{1000, 600, 400} : NvmlFunctions::Memory{100, 70, 30};
    return 0;
  };
  nvml.device_utilization = [](void* device, NvmlFunctions::Utilization* utilization) {
    utilization->gpu = 25;
    return device == &first ? 0 : 3;
  };
  return nvml;
}

TEST(DeviceCollectorTest, ExamplesAGpuIsAskedByNvml) {
  const DeviceCollector collector({{"cuda:0", "Large GPU"}, {"cuda:1", "Small GPU"}}, TwoGpus(), "");
  EXPECT_THAT(Values(collector), ElementsAre(Pair("kprune_device_memory_bytes{cuda:0}", 1000),
                                             Pair("kprune_device_memory_bytes{cuda:1}", 100),
                                             Pair("kprune_device_memory_used_bytes{cuda:0}", 400),
                                             Pair("kprune_device_memory_used_bytes{cuda:1}", 30),
                                             Pair("kprune_device_utilization_ratio{cuda:0}", 0.25)));
}

TEST(DeviceCollectorTest, TheEnvironmentSaysWhichGpuIsTheFirst) {
  for (const char* visible : {"1", "1,0", "GPU-2"}) {
    const DeviceCollector collector({{"cuda:0", "Small GPU"}}, TwoGpus(), visible);
    EXPECT_EQ(Values(collector)["kprune_device_memory_bytes{cuda:0}"], 100) << visible;
  }
}

TEST(DeviceCollectorTest, AGpuThatIsAnotherOrUnknownHasNoSeries) {
  EXPECT_THAT(Values(DeviceCollector({{"cuda:0", "Small GPU"}}, TwoGpus(), "")), IsEmpty()) << "another name";
  EXPECT_THAT(Values(DeviceCollector({{"cuda:2", "Small GPU"}}, TwoGpus(), "")), IsEmpty());
  EXPECT_THAT(Values(DeviceCollector({{"cuda:1", "Large GPU"}}, TwoGpus(), "0")), IsEmpty());
  EXPECT_THAT(Values(DeviceCollector({{"cuda:0", "Small GPU"}}, TwoGpus(), "MIG-1")), IsEmpty());
  EXPECT_THAT(Values(DeviceCollector({{"cuda:0", "Large GPU"}}, std::nullopt, "")), IsEmpty());
}

TEST(DeviceCollectorTest, ALibraryThatIsNotThereOrNotNvmlIsNone) {
  EXPECT_FALSE(LoadNvml("libkprune-has-no-such-library.so.1").has_value());
  EXPECT_FALSE(LoadNvml("libm.so.6").has_value());
}

TEST(DeviceCollectorTest, TheProcessorIsTheMachine) {
  const TemporaryFolder proc;
  WriteFile(proc / "meminfo", "MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:    400 kB\n");
  WriteFile(proc / "loadavg", "1000.00 0.20 0.10 1/100 1234\n");
  const DeviceCollector collector({{"cpu", "a processor"}}, std::nullopt, "", proc.path());
  EXPECT_THAT(Values(collector), ElementsAre(Pair("kprune_device_memory_bytes{cpu}", 1024000),
                                             Pair("kprune_device_memory_used_bytes{cpu}", 614400),
                                             Pair("kprune_device_utilization_ratio{cpu}", 1)));
  const TemporaryFolder nothing;
  EXPECT_THAT(Values(DeviceCollector({{"cpu", ""}}, std::nullopt, "", nothing.path())), IsEmpty());
}

TEST(ProcessCollectorTest, TheKernelsNumbersInBaseUnits) {
  const TemporaryFolder proc;
  WriteFile(proc / "self/stat",
            "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 17 18 500 20 3 22 23 24\n");
  WriteFile(proc / "stat", "cpu 1 2 3\nbtime 1000000\n");
  for (const char* descriptor : {"0", "1", "2"}) WriteFile(proc / "self/fd" / descriptor, "");
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  auto values = Values(ProcessCollector(proc.path()));
  EXPECT_EQ(values["process_cpu_seconds_total"], 200 / ticks);
  EXPECT_EQ(values["process_start_time_seconds"], 1000000 + 500 / ticks);
  EXPECT_EQ(values["process_resident_memory_bytes"], 3.0 * static_cast<double>(sysconf(_SC_PAGESIZE)));
  EXPECT_EQ(values["process_open_fds"], 3);
  EXPECT_THAT(Values(ProcessCollector("/nowhere")), IsEmpty());
}

TEST(ProcessCollectorTest, ThisProcessIsAliveAndYoung) {
  auto values = Values(ProcessCollector());
  EXPECT_GT(values["process_resident_memory_bytes"], 1e6);
  EXPECT_GE(values["process_open_fds"], 3);
  const double now = static_cast<double>(absl::ToUnixSeconds(absl::Now()));
  EXPECT_NEAR(values["process_start_time_seconds"], now, 3600);
}

TEST(StorageCollectorTest, ExamplesTheStoresOfAllTenantsAndTheirDisk) {
  const TemporaryFolder folder;
  InMemoryTenantArtifacts artifacts;
  artifacts.Store("research").Put("12345");
  const StorageCollector collector(&artifacts, {folder.path(), 4096});
  auto values = Values(collector);
  EXPECT_EQ(values["kprune_artifacts"], 1);
  EXPECT_EQ(values["kprune_artifact_bytes"], 5);
  EXPECT_EQ(values["kprune_disk_low_bytes"], 4096);
  EXPECT_GT(values["kprune_disk_free_bytes"], 0);
  EXPECT_GE(values["kprune_disk_size_bytes"], values["kprune_disk_free_bytes"]);

  artifacts.Store("sales").Put("123");
  EXPECT_EQ(Values(collector)["kprune_artifacts"], 2);
  EXPECT_EQ(Values(collector)["kprune_artifact_bytes"], 8);
}

TEST(StorageCollectorTest, ADiskThatCannotBeReadHasNoSeries) {
  InMemoryTenantArtifacts artifacts;
  const StorageCollector collector(&artifacts, {"/nowhere/at/all", 1});
  EXPECT_EQ(Values(collector).count("kprune_disk_free_bytes"), 0u);
  EXPECT_EQ(Values(collector).count("kprune_artifacts"), 1u);
}

}  // namespace
}  // namespace kprune
