#include "server/exposure.h"

#include "absl/strings/str_cat.h"
#include "kprune/loopback.h"

namespace kprune {
namespace {

bool AsksWhoCalls(const ServerFlags& flags) {
  return !flags.access_file.empty() || !flags.tls_client_ca.empty();
}

}  // namespace

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
