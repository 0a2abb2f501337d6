#include "server/sources/address_rules.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace kprune {
namespace {

constexpr int kMappedBits = 96;  // of ::ffff:0:0/96, where IPv4 addresses lie

NetworkAddress Mapped(const unsigned char* ipv4) {
  NetworkAddress address{};
  address[10] = address[11] = 0xff;
  std::copy(ipv4, ipv4 + 4, address.begin() + 12);
  return address;
}

bool HasPrefix(const NetworkAddress& address, const NetworkAddress& network, int bits) {
  for (int i = 0; i < bits; ++i) {
    const unsigned char mask = static_cast<unsigned char>(0x80 >> (i % 8));
    if ((address[i / 8] & mask) != (network[i / 8] & mask)) return false;
  }
  return true;
}

struct Block {
  const char* network;
  int bits;
};

// RFC 6890 and the registries that go on from it.
constexpr Block kNotPublic4[] = {
    {"0.0.0.0", 8},     {"10.0.0.0", 8},      {"100.64.0.0", 10},  {"127.0.0.0", 8},    {"169.254.0.0", 16},
    {"172.16.0.0", 12}, {"192.0.0.0", 24},    {"192.0.2.0", 24},   {"192.88.99.0", 24}, {"192.168.0.0", 16},
    {"198.18.0.0", 15}, {"198.51.100.0", 24}, {"203.0.113.0", 24}, {"224.0.0.0", 4},    {"240.0.0.0", 4}};
// What is not global unicast, and of it what is set apart.
constexpr Block kNotPublic6[] = {{"2001:db8::", 32}, {"2001::", 23}, {"3fff::", 20}};
constexpr Block kGlobalUnicast = {"2000::", 3};

bool IsIn(const NetworkAddress& address, const Block& block, int more_bits) {
  NetworkAddress network;
  return ToNetworkAddress(std::string(block.network), &network) &&
         HasPrefix(address, network, block.bits + more_bits);
}

// The IPv4 address in ::ffff:0:0/96, 64:ff9b::/96 (NAT64) or 2002::/16 (6to4).
std::optional<NetworkAddress> Wrapped(const NetworkAddress& address) {
  if (IsIn(address, {"64:ff9b::", 96}, 0)) return Mapped(&address[12]);
  if (IsIn(address, {"2002::", 16}, 0)) return Mapped(&address[2]);
  return std::nullopt;
}

bool IsMapped(const NetworkAddress& address) { return IsIn(address, {"::ffff:0.0.0.0", kMappedBits}, 0); }

}  // namespace

bool ToNetworkAddress(const sockaddr& address, NetworkAddress* out) {
  if (address.sa_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, &address, sizeof ipv4);
    *out = Mapped(reinterpret_cast<const unsigned char*>(&ipv4.sin_addr));
    return true;
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 ipv6;
  std::memcpy(&ipv6, &address, sizeof ipv6);
  std::memcpy(out->data(), &ipv6.sin6_addr, out->size());
  return true;
}

bool ToNetworkAddress(const std::string& text, NetworkAddress* out) {
  unsigned char ipv4[4];
  if (inet_pton(AF_INET, text.c_str(), ipv4) == 1) {
    *out = Mapped(ipv4);
    return true;
  }
  return inet_pton(AF_INET6, text.c_str(), out->data()) == 1;
}

bool IsPublicAddress(const NetworkAddress& address) {
  if (const std::optional<NetworkAddress> inner = Wrapped(address)) return IsPublicAddress(*inner);
  const auto is_in = [&](int more_bits) {
    return [&address, more_bits](const Block& block) { return IsIn(address, block, more_bits); };
  };
  if (IsMapped(address))
    return std::none_of(std::begin(kNotPublic4), std::end(kNotPublic4), is_in(kMappedBits));
  return IsIn(address, kGlobalUnicast, 0) &&
         std::none_of(std::begin(kNotPublic6), std::end(kNotPublic6), is_in(0));
}

absl::StatusOr<AddressRules> AddressRules::Parse(std::string_view networks) {
  AddressRules rules;
  const std::vector<std::string> entries =
      absl::StrSplit(std::string(networks), absl::ByAnyChar(", \t\n"), absl::SkipEmpty());
  for (const std::string& entry : entries) {
    const size_t slash = std::min(entry.find('/'), entry.size());
    Network network;
    const bool is_address = ToNetworkAddress(entry.substr(0, slash), &network.address);
    const bool ipv4 = is_address && IsMapped(network.address);
    const int most_bits = ipv4 ? 32 : 128;
    network.prefix_bits = most_bits;
    bool is_prefix = true;
    if (slash < entry.size()) {
      const char* const end = entry.data() + entry.size();
      const auto [parsed_to, error] = std::from_chars(entry.data() + slash + 1, end, network.prefix_bits);
      is_prefix = error == std::errc() && parsed_to == end && network.prefix_bits >= 0 &&
                  network.prefix_bits <= most_bits;
    }
    if (!is_address || !is_prefix) {
      return absl::InvalidArgumentError(
          absl::StrCat("--model-source-networks entry \"", entry,
                       "\" is no network; accepted are such as 10.1.0.0/16 and fd00::/8"));
    }
    if (ipv4) network.prefix_bits += kMappedBits;
    rules.networks_.push_back(network);
  }
  return rules;
}

bool AddressRules::Allows(const std::string& host, const NetworkAddress& address) const {
  if (IsPublicAddress(address)) return true;
  NetworkAddress spelled_out;
  if (ToNetworkAddress(host, &spelled_out) && spelled_out == address) return true;
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    return HasPrefix(address, network.address, network.prefix_bits);
  });
}

}  // namespace kprune
