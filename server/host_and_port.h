// The form of the addresses that a server listens on.
#ifndef KPRUNE_SERVER_HOST_AND_PORT_H_
#define KPRUNE_SERVER_HOST_AND_PORT_H_

#include <string>

#include "absl/strings/numbers.h"

namespace kprune {

// Whether `address` is HOST:PORT with a port from 0 to 65535, the host not empty ("127.0.0.1:8470",
// "[::1]:0").
inline bool IsHostAndPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const std::string digits = address.substr(colon + 1);
  int port = -1;
  return digits.find_first_not_of("0123456789") == std::string::npos && absl::SimpleAtoi(digits, &port) &&
         port <= 65535;
}

}  // namespace kprune

#endif  // KPRUNE_SERVER_HOST_AND_PORT_H_
