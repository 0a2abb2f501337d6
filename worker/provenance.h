// What a result was made from, how, when and by what: provenance.json, an in-toto statement
// (https://in-toto.io/Statement/v1) with a SLSA provenance predicate (https://slsa.dev/provenance/v1), and
// provenance.dsse.json, the same signed with the operator's key. One statement a result, also of several
// models. docs/results.md describes the fields; worker/provenance_check.h reads them.
#ifndef KPRUNE_WORKER_PROVENANCE_H_
#define KPRUNE_WORKER_PROVENANCE_H_

#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/formats/signing_key.h"
#include "nlohmann/json.hpp"
#include "worker/job_file.h"
#include "worker/result_folder.h"

namespace kprune {

inline constexpr char kStatementType[] = "https://in-toto.io/Statement/v1";
inline constexpr char kPredicateType[] = "https://slsa.dev/provenance/v1";
inline constexpr char kBuildType[] = "urn:kprune:prune:v1";
inline constexpr char kBuilderId[] = "urn:kprune:worker";
inline constexpr char kStatementPayloadType[] = "application/vnd.in-toto+json";

// The key that the worker's operator gave; none where `pem` is empty. Errors are those of
// SigningKey::FromFile, and name the flag.
absl::StatusOr<std::optional<SigningKey>> LoadConfiguredSigningKey(const std::filesystem::path& pem);

// predicate.buildDefinition of a result with that report: options and seed, inputs with their digests, and
// what the worker chose itself.
nlohmann::json BuildDefinition(const nlohmann::json& report);

// predicate.runDetails.builder: this program and what it computed with.
nlohmann::json Builder(const nlohmann::json& report);

// Of one job that prunes.
class Provenance {
 public:
  // Before any work: notes the time, and reads the signing key where the worker has one.
  static absl::StatusOr<Provenance> Begin(const WorkerJob& job);

  // Writes the statement about `folder`, whose report.json lists all its other files by now, and where there
  // is a key, the signed one.
  absl::Status Write(const ResultFolder& folder) const;

 private:
  Provenance(std::string job_name, std::optional<SigningKey> key)
      : job_name_(std::move(job_name)), key_(std::move(key)) {}

  std::string job_name_;
  std::optional<SigningKey> key_;
  absl::Time started_ = absl::Now();
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_PROVENANCE_H_
