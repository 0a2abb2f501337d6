#include "worker/provenance.h"

#include "absl/strings/str_cat.h"
#include "engine/formats/dsse.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"
#include "engine/formats/sha256.h"
#include "kprune/layout.h"
#include "kprune/worker_protocol.h"

namespace kprune {
namespace {

using nlohmann::json;

// A list of resource descriptors, of an object of names and digests.
json Descriptors(const json& digests) {
  json list = json::array();
  for (const auto& [name, digest] : digests.items())
    list.push_back({{"name", name}, {"digest", {{"sha256", digest}}}});
  return list;
}

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace

absl::StatusOr<std::optional<SigningKey>> LoadConfiguredSigningKey(const std::filesystem::path& pem) {
  if (pem.empty()) return std::nullopt;
  absl::StatusOr<SigningKey> key = SigningKey::FromFile(pem);
  if (!key.ok())
    return absl::Status(key.status().code(), absl::StrCat("--signing-key: ", key.status().message()));
  return *std::move(key);
}

json BuildDefinition(const json& report) {
  return {{"buildType", kBuildType},
          {"externalParameters",
           {{"options", report.value("options", json())}, {"seed", report.value("seed", json())}}},
          {"internalParameters",
           {{"device", report.value("device", json())}, {"precision", report.value("precision", json())}}},
          {"resolvedDependencies", Descriptors(report.value("inputs", json::object()))}};
}

json Builder(const json& report) {
  return {{"id", kBuilderId}, {"version", report.value("versions", json::object())}};
}

absl::StatusOr<Provenance> Provenance::Begin(const WorkerJob& job) {
  absl::StatusOr<std::optional<SigningKey>> key = LoadConfiguredSigningKey(job.signing_key);
  if (!key.ok()) return key.status();
  return Provenance(job.name, *std::move(key));
}

absl::Status Provenance::Write(const ResultFolder& folder) const {
  const absl::StatusOr<json> report = ReadJsonFile(folder.path() / kReportFile);
  if (!report.ok()) return report.status();
  absl::StatusOr<std::string> report_digest = Sha256OfFile(folder.path() / kReportFile);
  if (!report_digest.ok()) return report_digest.status();
  json outputs = report->value("outputs", json::object());
  outputs[kReportFile] = *std::move(report_digest);

  json metadata = {{"startedOn", Rfc3339(started_)}, {"finishedOn", Rfc3339(absl::Now())}};
  if (!job_name_.empty()) metadata["invocationId"] = job_name_;
  const json statement = {{"_type", kStatementType},
                          {"subject", Descriptors(outputs)},
                          {"predicateType", kPredicateType},
                          {"predicate",
                           {{"buildDefinition", BuildDefinition(*report)},
                            {"runDetails", {{"builder", Builder(*report)}, {"metadata", metadata}}}}}};
  const std::string text = statement.dump(2) + "\n";
  absl::Status status = WriteFileDurably(folder.path() / kProvenanceName, text);
  if (!status.ok() || !key_) return status;
  const absl::StatusOr<DsseEnvelope> envelope = SignEnvelope(kStatementPayloadType, text, *key_);
  if (!envelope.ok()) return envelope.status();
  return WriteFileDurably(folder.path() / kSignedProvenanceName, EnvelopeText(*envelope));
}

}  // namespace kprune
