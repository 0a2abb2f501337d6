// Which servers there are: a fixed list, or all addresses of a name, which change while servers come and go.
#ifndef KPRUNE_EXPORTER_SERVER_SOURCE_H_
#define KPRUNE_EXPORTER_SERVER_SOURCE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace kprune {

// What a server listens on unless it is told otherwise.
inline constexpr char kServerPort[] = "8470";

struct DnsName {
  std::string host, port;
};

// Of "dns:///HOST" or "dns:///HOST:PORT"; INVALID_ARGUMENT.
absl::StatusOr<DnsName> ParseDnsName(const std::string& text);

// Every address of a name with its port, HOST:PORT, sorted, each once. NOT_FOUND: there is no such name, or
// it has no address; UNAVAILABLE: nobody could be asked. May block for seconds.
absl::StatusOr<std::vector<std::string>> LookUpAddresses(const DnsName& name);

// The servers, HOST:PORT, as of now. Used by one thread.
using ServerSource = std::function<std::vector<std::string>()>;

ServerSource FixedServers(std::vector<std::string> servers);

// Where the name cannot be looked up for the moment, the addresses of the last time; a log line says so.
ServerSource ServersOfName(
    DnsName name,
    std::function<absl::StatusOr<std::vector<std::string>>(const DnsName&)> look_up = LookUpAddresses);

}  // namespace kprune

#endif  // KPRUNE_EXPORTER_SERVER_SOURCE_H_
