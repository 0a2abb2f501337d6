#include "server/metrics/process_collector.h"

#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>

#include "server/metrics/series.h"

namespace kprune {
namespace {

// Times are ticks of the clock, memory is pages.
struct ProcessStat {
  int64_t user_ticks = 0, system_ticks = 0, start_ticks = 0, resident_pages = 0;
};

// proc(5), /proc/[pid]/stat. The program's name, in parentheses, may hold anything; the third field follows
// the last ')'.
std::optional<ProcessStat> ReadStat(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  if (!std::getline(in, line)) return std::nullopt;
  std::istringstream text(line.substr(line.rfind(')') + 1));
  const std::vector<std::string> fields{std::istream_iterator<std::string>(text), {}};
  const auto field = [&](size_t number) { return std::strtoll(fields[number - 3].c_str(), nullptr, 10); };
  if (fields.size() < 22) return std::nullopt;
  return ProcessStat{field(14), field(15), field(22), field(24)};
}

// Seconds since 1970 at which the machine started; 0 where the kernel does not say.
int64_t BootSeconds(const std::filesystem::path& file) {
  std::ifstream in(file);
  int64_t seconds = 0;
  for (std::string word; in >> word;) {
    if (word == "btime") in >> seconds;
  }
  return seconds;
}

}  // namespace

std::vector<prometheus::MetricFamily> ProcessCollector::Collect() const {
  const std::optional<ProcessStat> stat = ReadStat(proc_ / "self/stat");
  if (!stat) return {};
  const double ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
  const auto seconds = [&](int64_t ticks) { return static_cast<double>(ticks) / ticks_per_second; };
  std::error_code error;
  const auto descriptors = std::distance(std::filesystem::directory_iterator(proc_ / "self/fd", error), {});
  return {
      WithSample(CounterFamily("process_cpu_seconds_total", "Processor time used, in seconds"),
                 seconds(stat->user_ticks + stat->system_ticks)),
      WithSample(GaugeFamily("process_resident_memory_bytes", "Resident memory in bytes"),
                 static_cast<double>(stat->resident_pages * sysconf(_SC_PAGESIZE))),
      WithSample(GaugeFamily("process_open_fds", "Open file descriptors"), static_cast<double>(descriptors)),
      WithSample(GaugeFamily("process_start_time_seconds", "Start of the process in seconds since 1970"),
                 static_cast<double>(BootSeconds(proc_ / "stat")) + seconds(stat->start_ticks)),
  };
}

}  // namespace kprune
