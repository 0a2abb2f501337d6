#include "server/metrics/metrics_endpoint.h"

#include <exception>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/host_and_port.h"

namespace kprune {
namespace {

// Scrapes are rare and short.
constexpr std::size_t kThreads = 2;

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsEndpoint>> MetricsEndpoint::Start(
    const std::string& address, std::vector<std::shared_ptr<prometheus::Collectable>> sources) {
  if (!IsHostAndPort(address)) {
    return absl::InvalidArgumentError(
        absl::StrCat("metrics address \"", address, "\" is not HOST:PORT, for example 127.0.0.1:9470"));
  }
  try {
    auto exposer = std::make_unique<prometheus::Exposer>(address, kThreads);
    return std::unique_ptr<MetricsEndpoint>(new MetricsEndpoint(std::move(exposer), std::move(sources)));
  } catch (const std::exception& error) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address, " (", error.what(),
                                               "); choose another address or turn metrics off"));
  }
}

MetricsEndpoint::MetricsEndpoint(std::unique_ptr<prometheus::Exposer> exposer,
                                 std::vector<std::shared_ptr<prometheus::Collectable>> sources)
    : sources_(std::move(sources)), exposer_(std::move(exposer)) {
  for (const auto& source : sources_) exposer_->RegisterCollectable(source);
  port_ = exposer_->GetListeningPorts().front();
}

}  // namespace kprune
