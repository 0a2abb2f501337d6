#include "server/auth/audit_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/log.h"

namespace kprune {
namespace {

// What clients may choose is cut, so that a line stays a line.
std::string Cut(const std::string& text) {
  constexpr size_t kMostBytes = 256;
  return text.size() <= kMostBytes ? text : text.substr(0, kMostBytes) + "...";
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& file) {
  const int descriptor = file == "-" ? ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)
                                     : ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor >= 0) return std::unique_ptr<AuditLog>(new AuditLog(descriptor));
  return absl::FailedPreconditionError(absl::StrCat(
      "cannot write the audit log ", file, " (", std::strerror(errno), "); choose another with --audit-log"));
}

AuditLog::~AuditLog() { ::close(descriptor_); }

void AuditLog::Write(const AuditEntry& entry) {
  const nlohmann::ordered_json object = {
      {"time", absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", entry.time, absl::UTCTimeZone())},
      {"request_id", entry.request_id},
      {"subject", entry.subject},
      {"tenant", entry.tenant},
      {"role", entry.role},
      {"method", entry.method},
      {"resource", Cut(entry.resource)},
      {"code", entry.code},
      {"peer", entry.peer}};
  const std::string line =
      object.dump(-1, ' ', /*ensure_ascii=*/true, nlohmann::json::error_handler_t::replace) + "\n";
  if (::write(descriptor_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    LogError("audit-line-lost", {{"reason", std::strerror(errno)}, {"line", line}});
}

}  // namespace kprune
