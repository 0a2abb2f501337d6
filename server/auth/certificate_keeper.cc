#include "server/auth/certificate_keeper.h"

#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/auth/certificate_check.h"
#include "server/log.h"

namespace kprune {
namespace {

absl::StatusOr<PemFile> ReadPem(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  PemFile pem{file.string(), {std::istreambuf_iterator<char>(in), {}}};
  if (in.bad() || pem.text.empty())
    return absl::FailedPreconditionError(
        absl::StrCat("Cannot read ", file.string(), "; it must be a PEM file that the server may read."));
  return pem;
}

std::string Utc(absl::Time time) { return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone()); }

}  // namespace

// What the files hold, checked.
struct CertificateKeeper::Served {
  std::string identity, client_ca;
  absl::Time identity_expiry, client_ca_expiry;
};

absl::StatusOr<std::unique_ptr<CertificateKeeper>> CertificateKeeper::Open(const CertificateFiles& files,
                                                                           Clock& clock, Metrics& metrics) {
  WatchedFiles watched({files.certificate, files.key, files.client_ca});
  std::unique_ptr<CertificateKeeper> keeper(new CertificateKeeper(files, std::move(watched), clock, metrics));
  if (absl::Status begun = keeper->Begin(); !begun.ok()) return begun;
  return keeper;
}

CertificateKeeper::CertificateKeeper(const CertificateFiles& files, WatchedFiles watched, Clock& clock,
                                     Metrics& metrics)
    : files_(files), clock_(clock), metrics_(metrics), watched_(std::move(watched)) {}

absl::StatusOr<CertificateKeeper::Served> CertificateKeeper::Read() const {
  const absl::StatusOr<PemFile> chain = ReadPem(files_.certificate);
  if (!chain.ok()) return chain.status();
  const absl::StatusOr<PemFile> key = ReadPem(files_.key);
  if (!key.ok()) return key.status();
  const absl::StatusOr<absl::Time> identity_expiry = CheckIdentity(*chain, *key, clock_.Now());
  if (!identity_expiry.ok()) return identity_expiry.status();
  Served served{absl::StrCat(key->text, "\n", chain->text), "", *identity_expiry, {}};
  if (files_.client_ca.empty()) return served;
  const absl::StatusOr<PemFile> authorities = ReadPem(files_.client_ca);
  if (!authorities.ok()) return authorities.status();
  const absl::StatusOr<absl::Time> client_ca_expiry = CheckAuthorities(*authorities, clock_.Now());
  if (!client_ca_expiry.ok()) return client_ca_expiry.status();
  served.client_ca = authorities->text;
  served.client_ca_expiry = *client_ca_expiry;
  return served;
}

absl::Status CertificateKeeper::Begin() {
  const absl::StatusOr<Served> served = Read();
  if (!served.ok()) return served.status();
  absl::StatusOr<std::unique_ptr<MemoryFile>> identity = MemoryFile::Make(served->identity);
  if (!identity.ok()) return identity.status();
  identity_ = *std::move(identity);
  if (!files_.client_ca.empty()) {
    absl::StatusOr<std::unique_ptr<MemoryFile>> client_ca = MemoryFile::Make(served->client_ca);
    if (!client_ca.ok()) return client_ca.status();
    client_ca_ = *std::move(client_ca);
  }
  Report(*served);
  thread_ = std::make_unique<PeriodicThread>(clock_, kFileLookInterval, [this] { Refresh(); });
  return absl::OkStatus();
}

void CertificateKeeper::Refresh() {
  if (!watched_.Changed()) return;
  const absl::StatusOr<Served> served = Read();
  absl::Status status = served.status();
  if (status.ok()) status = identity_->Replace(served->identity);
  if (status.ok() && client_ca_) status = client_ca_->Replace(served->client_ca);
  if (status.ok()) return Report(*served);
  LogError("certificate-refused",
           {{"reason", std::string(status.message())}, {"still_served", "the one before"}});
  metrics_.OnCertificateReloadFailed();
}

void CertificateKeeper::Report(const Served& served) {
  LogInfo("certificate-served",
          {{"file", files_.certificate.string()}, {"expires", Utc(served.identity_expiry)}});
  metrics_.OnCertificateExpiry("server", served.identity_expiry);
  if (client_ca_) metrics_.OnCertificateExpiry("client_ca", served.client_ca_expiry);
}

}  // namespace kprune
