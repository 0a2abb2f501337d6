// What the exporter serves: the servers' answers of the last round, each queue counted once. docs/metrics.md
// lists the series.
#ifndef KPRUNE_EXPORTER_QUEUE_BOARD_H_
#define KPRUNE_EXPORTER_QUEUE_BOARD_H_

#include <prometheus/collectable.h>

#include <mutex>
#include <vector>

#include "exporter/server_poll.h"

namespace kprune {

// Thread-safe.
class QueueBoard final : public prometheus::Collectable {
 public:
  // Replaces what is shown. A line in the log for every server that went down or came up since.
  void Show(std::vector<PolledServer> servers);

  // No series of queues where no server answered: an old number would hide it.
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  mutable std::mutex mutex_;
  std::vector<PolledServer> servers_;  // guarded by mutex_
};

}  // namespace kprune

#endif  // KPRUNE_EXPORTER_QUEUE_BOARD_H_
