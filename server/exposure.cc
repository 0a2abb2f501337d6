#include "server/exposure.h"

#include <arpa/inet.h>

#include "absl/strings/str_cat.h"

namespace kprune {
namespace {

bool AsksWhoCalls(const ServerFlags& flags) {
  return !flags.access_file.empty() || !flags.tls_client_ca.empty();
}

}  // namespace

bool IsLoopback(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host == "localhost") return true;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  in_addr v4 = {};
  in6_addr v6 = {};
  if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET;
  return ::inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::Status CheckExposure(const ServerFlags& flags) {
  if (flags.insecure || IsLoopback(flags.listen)) return absl::OkStatus();
  if (flags.tls_cert.empty())
    return absl::FailedPreconditionError(
        absl::StrCat("others than this machine can reach --listen ", flags.listen,
                     ", and without TLS they could read everything; give --tls-cert and --tls-key, listen on "
                     "127.0.0.1, or allow it with --insecure"));
  if (!AsksWhoCalls(flags))
    return absl::FailedPreconditionError(
        absl::StrCat("anybody who reaches --listen ", flags.listen,
                     " could do everything; give --access-file or --tls-client-ca, listen on 127.0.0.1, or "
                     "allow it with --insecure"));
  return absl::OkStatus();
}

bool ReflectionIsOn(const ServerFlags& flags) {
  return flags.reflection == "on" || (flags.reflection == "auto" && !AsksWhoCalls(flags));
}

}  // namespace kprune
