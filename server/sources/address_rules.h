// Which network addresses may be connected to. A host on the allow-list whose name resolves to an address of
// the server's own network (or to the metadata service of its cloud) must not open that network to whoever
// may submit jobs. So only addresses of the public Internet are connected to, unless the operator named the
// address itself: as the host of an allowed folder, or in --model-source-networks.
#ifndef KPRUNE_SERVER_SOURCES_ADDRESS_RULES_H_
#define KPRUNE_SERVER_SOURCES_ADDRESS_RULES_H_

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

struct sockaddr;

namespace kprune {

// An IPv6 address in network order; IPv4 as ::ffff:a.b.c.d.
using NetworkAddress = std::array<unsigned char, 16>;

// nullopt-like: false where `address` is neither IPv4 nor IPv6.
bool ToNetworkAddress(const sockaddr& address, NetworkAddress* out);
bool ToNetworkAddress(const std::string& text, NetworkAddress* out);

// Not loopback, private, link-local, shared, multicast, reserved or for documentation, also where an IPv4
// address is wrapped in IPv6 (mapped, 6to4, NAT64, Teredo).
bool IsPublicAddress(const NetworkAddress& address);

// Thread-safe: immutable.
class AddressRules {
 public:
  // Only public addresses.
  AddressRules() = default;

  // Networks such as 10.1.0.0/16 or fd00::/8, separated by commas or spaces, that may be connected to, too.
  static absl::StatusOr<AddressRules> Parse(std::string_view networks);

  // `host` is that of the URL: an address that it spells out was allowed with it.
  bool Allows(const std::string& host, const NetworkAddress& address) const;

 private:
  struct Network {
    NetworkAddress address;
    int prefix_bits = 0;
  };
  std::vector<Network> networks_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_ADDRESS_RULES_H_
