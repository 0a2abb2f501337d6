// Whether an address is of this machine's own loopback, which no other machine can reach or answer for.
#ifndef KPRUNE_LOOPBACK_H_
#define KPRUNE_LOOPBACK_H_

#include <arpa/inet.h>

#include <string>

namespace kprune {

// `address` is HOST:PORT, an IPv6 host in brackets. A name other than localhost is none, whatever it may
// resolve to.
inline bool IsLoopback(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host == "localhost") return true;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  in_addr v4 = {};
  in6_addr v6 = {};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace kprune

#endif  // KPRUNE_LOOPBACK_H_
