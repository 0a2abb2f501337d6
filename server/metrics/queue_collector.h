// kprune_jobs and kprune_queue_oldest_seconds, asked of the queue at each scrape: never stale, also after a
// restart.
#ifndef KPRUNE_SERVER_METRICS_QUEUE_COLLECTOR_H_
#define KPRUNE_SERVER_METRICS_QUEUE_COLLECTOR_H_

#include <prometheus/collectable.h>

#include <vector>

#include "kprune/clock.h"
#include "kprune/job_store.h"

namespace kprune {

// Thread-safe. Borrows both, which must outlive the exposer that collects this.
class QueueCollector final : public prometheus::Collectable {
 public:
  QueueCollector(JobStore* jobs, const Clock* clock) : jobs_(jobs), clock_(clock) {}

  // Nothing, and a line in the log, where the queue cannot be read: a missing series raises alerts, a wrong
  // one hides the fault.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  JobStore* const jobs_;
  const Clock* const clock_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_QUEUE_COLLECTOR_H_
