// The server's certificate and the authorities of its clients, as they may be replaced at any time: only what
// can be served is handed on. What cannot is reported, and what was served before stays.
#ifndef KPRUNE_SERVER_AUTH_CERTIFICATE_KEEPER_H_
#define KPRUNE_SERVER_AUTH_CERTIFICATE_KEEPER_H_

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kprune/clock.h"
#include "kprune/metrics.h"
#include "server/auth/memory_file.h"
#include "server/auth/watched_files.h"
#include "server/jobs/periodic_thread.h"

namespace kprune {

struct CertificateFiles {
  std::filesystem::path certificate;  // the chain, the server's own first
  std::filesystem::path key;
  std::filesystem::path client_ca;  // empty: clients need no certificate
};

// Thread-safe. What it hands on stays in memory: no copy of the key is on any disk. A replacement is handed
// on within some 2 s.
class CertificateKeeper {
 public:
  // FailedPrecondition where the files cannot be served as they are. Borrows `clock` and `metrics`.
  static absl::StatusOr<std::unique_ptr<CertificateKeeper>> Open(const CertificateFiles& files, Clock& clock,
                                                                 Metrics& metrics);

  // Key and certificate, together in one file, so that they always are a pair.
  std::string identity_path() const { return identity_->path(); }

  // "" where clients need no certificate.
  std::string client_ca_path() const { return client_ca_ ? client_ca_->path() : ""; }

 private:
  struct Served;

  CertificateKeeper(const CertificateFiles& files, WatchedFiles watched, Clock& clock, Metrics& metrics);

  absl::StatusOr<Served> Read() const;
  absl::Status Begin();
  void Refresh();
  void Report(const Served& served);

  // Constant after construction.
  const CertificateFiles files_;
  Clock& clock_;
  Metrics& metrics_;
  std::unique_ptr<MemoryFile> identity_, client_ca_;

  WatchedFiles watched_;                    // of thread_
  std::unique_ptr<PeriodicThread> thread_;  // last: it uses what is above
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_AUTH_CERTIFICATE_KEEPER_H_
