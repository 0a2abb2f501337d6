// Families of series that are read at each scrape, put together sample by sample.
#ifndef KPRUNE_SERVER_METRICS_SERIES_H_
#define KPRUNE_SERVER_METRICS_SERIES_H_

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>
#include <prometheus/metric_type.h>

#include <string>
#include <utility>
#include <vector>

namespace kprune {

using SeriesLabels = std::vector<prometheus::ClientMetric::Label>;

inline prometheus::MetricFamily GaugeFamily(std::string name, std::string help) {
  return {std::move(name), std::move(help), prometheus::MetricType::Gauge, {}};
}

inline prometheus::MetricFamily CounterFamily(std::string name, std::string help) {
  return {std::move(name), std::move(help), prometheus::MetricType::Counter, {}};
}

inline void AddSample(prometheus::MetricFamily& family, SeriesLabels labels, double value) {
  prometheus::ClientMetric sample;
  sample.label = std::move(labels);
  (family.type == prometheus::MetricType::Counter ? sample.counter.value : sample.gauge.value) = value;
  family.metric.push_back(std::move(sample));
}

// A family of one sample without labels.
inline prometheus::MetricFamily WithSample(prometheus::MetricFamily family, double value) {
  AddSample(family, {}, value);
  return family;
}

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_SERIES_H_
