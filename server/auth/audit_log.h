// The audit log: one JSON object a line for every call of the services, who made it and how it ended.
//
//   {"time":"2026-01-31T12:00:00.000Z","request_id":"5f0c...","subject":"ci","tenant":"team-a",
//    "role":"submitter","method":"kprune.v1.JobService/CreateJob","resource":"jobs/b229...","code":"OK",
//    "peer":"ipv4:10.0.0.7:40312"}
#ifndef KPRUNE_SERVER_AUTH_AUDIT_LOG_H_
#define KPRUNE_SERVER_AUTH_AUDIT_LOG_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace kprune {

// Never holds a secret. Empty where it is not known: a call that was refused has no subject.
struct AuditEntry {
  absl::Time time;  // when the call began
  std::string request_id;
  std::string subject, tenant, role;
  std::string method;
  std::string resource;  // a job's name, an artifact's digest
  std::string code;
  std::string peer;
};

// Thread-safe: a line is written by one call.
class AuditLog {
 public:
  // Appends to the file, for its owner alone where it is new; "-" is standard output. A log that is rotated
  // must be copied and truncated, or the server restarted. FailedPrecondition where it cannot be written.
  static absl::StatusOr<std::unique_ptr<AuditLog>> Open(const std::string& file);
  ~AuditLog();

  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  // A line that cannot be written is an error in the service's log; the call goes on.
  void Write(const AuditEntry& entry);

 private:
  explicit AuditLog(int descriptor) : descriptor_(descriptor) {}

  const int descriptor_;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_AUDIT_LOG_H_
