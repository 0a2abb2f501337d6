#include "engine/evaluation/drop.h"

#include "absl/strings/str_cat.h"
#include "engine/evaluation/statistics.h"

namespace kprune {
namespace {

constexpr int64_t kLeastResampled = 30;

// Whether a sample is right or wrong as a whole; not so the tokens of one.
bool HasOneAnswer(Task task) {
  return HasClasses(task) && task != Task::kTokenClassification && task != Task::kMaskedLm;
}

Drop DropOfFlips(int64_t flipped, int64_t n) {
  return {"agreement top1", n, 100 * static_cast<double>(flipped) / static_cast<double>(n),
          100 * WilsonInterval(flipped, n).second, "wilson"};
}

}  // namespace

Drop DropOf(const Metric& original, const MetricDifference& difference) {
  return {original.name, original.n, -100 * difference.value, -100 * difference.interval95.first,
          difference.bound};
}

Drop DropOf(Task task, const nlohmann::json& agreement, const nlohmann::json& flipped) {
  const auto n = agreement["n"].get<int64_t>();
  if (HasOneAnswer(task)) return DropOfFlips(flipped["n"].get<int64_t>(), n);
  const char* const name = HasClasses(task) ? "top1" : task == Task::kRegression ? "spearman" : "cosine";
  return {absl::StrCat("agreement ", name), n, 100 * (1 - agreement[name].get<double>()),
          100 * (1 - agreement["interval95"][name][0].get<double>()), "bootstrap"};
}

int64_t LeastSamplesToShow(Task task, double points) {
  return HasOneAnswer(task) ? LeastSamplesFor(points / 100) : kLeastResampled;
}

}  // namespace kprune
