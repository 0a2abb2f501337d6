#include "exporter/server_source.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>

#include <memory>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/host_and_port.h"
#include "server/log.h"

namespace kprune {
namespace {

constexpr std::string_view kScheme = "dns:///";

std::string WithPort(const sockaddr* address, const std::string& port) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address->sa_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
    return absl::StrCat(text, ":", port);
  }
  inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
  return absl::StrCat("[", text, "]:", port);
}

}  // namespace

absl::StatusOr<DnsName> ParseDnsName(const std::string& text) {
  if (text.starts_with(kScheme)) {
    const std::string name = text.substr(kScheme.size());
    const size_t colon = name.rfind(':');
    DnsName parsed{name.substr(0, colon), colon == std::string::npos ? kServerPort : name.substr(colon + 1)};
    const bool is_plain = parsed.host.find_first_of(":/[], ") == std::string::npos;
    if (is_plain && IsHostAndPort(absl::StrCat(parsed.host, ":", parsed.port))) return parsed;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(text, " is not dns:///HOST or dns:///HOST:PORT, for example dns:///kprune.default:8470"));
}

absl::StatusOr<std::vector<std::string>> LookUpAddresses(const DnsName& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(name.host.c_str(), nullptr, &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  if (error == EAI_NONAME || error == EAI_NODATA)
    return absl::NotFoundError(absl::StrCat("there is no address of ", name.host));
  if (error != 0) return absl::UnavailableError(absl::StrCat(name.host, ": ", gai_strerror(error)));
  std::set<std::string> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next)
    addresses.insert(WithPort(entry->ai_addr, name.port));
  return std::vector<std::string>(addresses.begin(), addresses.end());
}

ServerSource FixedServers(std::vector<std::string> servers) {
  return [servers = std::move(servers)] { return servers; };
}

ServerSource ServersOfName(DnsName name,
                           std::function<absl::StatusOr<std::vector<std::string>>(const DnsName&)> look_up) {
  return [name = std::move(name), look_up = std::move(look_up), last = std::vector<std::string>()]() mutable {
    const absl::StatusOr<std::vector<std::string>> found = look_up(name);
    if (!found.ok())
      LogWarning("servers-not-found",
                 {{"name", name.host}, {"reason", std::string(found.status().message())}});
    if (found.ok()) last = *found;
    if (absl::IsNotFound(found.status())) last.clear();
    return last;
  };
}

}  // namespace kprune
