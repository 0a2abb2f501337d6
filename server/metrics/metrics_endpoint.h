// Serves /metrics over HTTP on a port of its own.
#ifndef KPRUNE_SERVER_METRICS_METRICS_ENDPOINT_H_
#define KPRUNE_SERVER_METRICS_METRICS_ENDPOINT_H_

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kprune {

// Stops on destruction.
class MetricsEndpoint {
 public:
  // `address` is HOST:PORT, port 0 for any free one. InvalidArgument (not such an address), Unavailable (it
  // cannot be bound). Collects `sources`, which it keeps.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Start(
      const std::string& address, std::vector<std::shared_ptr<prometheus::Collectable>> sources);

  int port() const { return port_; }

 private:
  MetricsEndpoint(std::unique_ptr<prometheus::Exposer> exposer,
                  std::vector<std::shared_ptr<prometheus::Collectable>> sources);

  // The exposer holds the sources weakly.
  const std::vector<std::shared_ptr<prometheus::Collectable>> sources_;
  const std::unique_ptr<prometheus::Exposer> exposer_;
  int port_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_METRICS_METRICS_ENDPOINT_H_
