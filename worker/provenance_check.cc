#include "worker/provenance_check.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/formats/dsse.h"
#include "engine/formats/file.h"
#include "engine/formats/json.h"
#include "engine/formats/quoted.h"
#include "engine/formats/signing_key.h"
#include "kprune/layout.h"
#include "kprune/worker_protocol.h"
#include "worker/model_facts.h"
#include "worker/provenance.h"

namespace kprune {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kStatementFile(kProvenanceName), kEnvelopeFile(kSignedProvenanceName);

absl::Status Changed(const std::string& what) { return absl::DataLossError(what); }

// null where there is nothing.
json At(const json& object, const char* pointer) {
  json found = object;
  for (std::string_view rest = pointer; !rest.empty() && found.is_object();) {
    rest.remove_prefix(1);
    const std::string_view key = rest.substr(0, rest.find('/'));
    found = found.value(key, json());
    rest.remove_prefix(key.size());
    if (rest.empty()) return found;
  }
  return json();
}

// The text of a file of the result; nullopt where there is none.
absl::StatusOr<std::optional<std::string>> ReadText(const fs::path& file) {
  absl::StatusOr<std::string> text = ReadFile(file, kMaxJsonFileBytes);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  if (!text.ok()) return text.status();
  return *std::move(text);
}

// The envelope's signers, once it is sound and signed by `key` where one is given.
absl::StatusOr<json> CheckEnvelope(const std::optional<std::string>& text, const std::string& statement,
                                   const PublicKey* key) {
  if (!text) {
    if (key == nullptr) return json::array();
    return Changed(
        absl::StrCat("the result is not signed: it has no ", kEnvelopeFile, ", but --public-key was given"));
  }
  const absl::StatusOr<DsseEnvelope> envelope = ParseEnvelope(*text, kEnvelopeFile);
  if (!envelope.ok()) return Changed(std::string(envelope.status().message()));
  if (envelope->payload_type != kStatementPayloadType) {
    return Changed(absl::StrCat(kEnvelopeFile, " has payloadType ", Quoted(envelope->payload_type),
                                "; accepted is ", kStatementPayloadType));
  }
  json signers = json::array();
  for (const DsseSignature& signature : envelope->signatures) signers.push_back(signature.key_id);
  if (key != nullptr && !IsSignedBy(*envelope, *key)) {
    return Changed(absl::StrCat(kEnvelopeFile, " has no valid signature by the key ", key->id(),
                                "; it names ", Quoted(envelope->signatures[0].key_id)));
  }
  if (envelope->payload != statement) {
    return Changed(absl::StrCat(kEnvelopeFile, " holds another statement than ", kStatementFile,
                                "; one of them was changed after pruning"));
  }
  return signers;
}

// {name: SHA-256} of the statement's subjects.
absl::StatusOr<json> Subjects(const json& statement) {
  const auto malformed = [](const char* what) { return Changed(absl::StrCat(kStatementFile, what)); };
  if (!statement.is_object() || statement.value("_type", json()) != kStatementType)
    return malformed(" is no in-toto statement of version 1");
  if (statement.value("predicateType", json()) != kPredicateType)
    return malformed(" is no SLSA provenance of version 1");
  const json list = statement.value("subject", json());
  json subjects = json::object();
  if (!list.is_array() || list.empty()) return malformed(" lists no files in \"subject\"");
  for (const json& subject : list) {
    const json name = At(subject, "/name"), digest = At(subject, "/digest/sha256");
    if (!name.is_string() || !digest.is_string())
      return malformed(" has a \"subject\" without a name or without a SHA-256");
    if (subjects.contains(name.get_ref<const std::string&>())) return malformed(" lists a file twice");
    subjects[name.get<std::string>()] = digest;
  }
  return subjects;
}

// Whether the folder holds the subjects and nothing else.
absl::Status CheckFiles(const fs::path& folder, const json& subjects) {
  if (absl::Status status = CheckDigests(subjects, folder, kStatementFile); !status.ok()) return status;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().lexically_relative(folder).generic_string();
    const bool plain_folder = it->symlink_status(error).type() == fs::file_type::directory;
    if (plain_folder || name == kStatementFile || name == kEnvelopeFile || subjects.contains(name)) continue;
    return Changed(absl::StrCat(Quoted(name), " is in the folder, but not in ", kStatementFile,
                                "; it was added after pruning"));
  }
  if (!error) return absl::OkStatus();
  return absl::PermissionDeniedError(absl::StrCat("cannot list ", folder.string(), ": ", error.message()));
}

// Whether the statement says of the job what the report says.
absl::Status CheckAgainstReport(const json& statement, const json& report) {
  if (!report.is_object()) return Changed("report.json is no object");
  const json definition = At(statement, "/predicate/buildDefinition"), expected = BuildDefinition(report);
  const struct {
    const char* what;
    bool same;
  } parts[] = {
      {"build type", At(definition, "/buildType") == expected["buildType"]},
      {"options", At(definition, "/externalParameters") == expected["externalParameters"]},
      {"device", At(definition, "/internalParameters") == expected["internalParameters"]},
      {"inputs", At(definition, "/resolvedDependencies") == expected["resolvedDependencies"]},
      {"versions", At(statement, "/predicate/runDetails/builder") == Builder(report)},
  };
  for (const auto& [what, same] : parts) {
    if (!same) {
      return Changed(absl::StrCat(kStatementFile, " and report.json disagree about the ", what,
                                  "; one of them was changed after pruning"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<json> CheckProvenance(const fs::path& folder, const json& report, const fs::path& public_key) {
  std::optional<PublicKey> key;
  if (!public_key.empty()) {
    absl::StatusOr<PublicKey> read = PublicKey::FromFile(public_key);
    if (!read.ok())
      return absl::Status(read.status().code(), absl::StrCat("--public-key: ", read.status().message()));
    key = *std::move(read);
  }
  const absl::StatusOr<std::optional<std::string>> text = ReadText(folder / kProvenanceName);
  if (!text.ok()) return text.status();
  const absl::StatusOr<std::optional<std::string>> envelope = ReadText(folder / kSignedProvenanceName);
  if (!envelope.ok()) return envelope.status();
  if (!*text) {
    if (!*envelope && !key) return json();
    return Changed(absl::StrCat("the folder has no ", kStatementFile, ", but ",
                                *envelope
                                    ? kEnvelopeFile + " is there"
                                    : "--public-key was given; it stands in the folder of a whole result"));
  }
  absl::StatusOr<json> signers = CheckEnvelope(*envelope, **text, key ? &*key : nullptr);
  if (!signers.ok()) return signers.status();
  const absl::StatusOr<json> statement = ParseJson(**text, kStatementFile);
  if (!statement.ok()) return Changed(std::string(statement.status().message()));
  const absl::StatusOr<json> subjects = Subjects(*statement);
  if (!subjects.ok()) return subjects.status();
  if (absl::Status status = CheckFiles(folder, *subjects); !status.ok()) return status;
  if (absl::Status status = CheckAgainstReport(*statement, report); !status.ok()) return status;

  const json metadata = At(*statement, "/predicate/runDetails/metadata");
  return json{{"subjects", subjects->size()},
              {"started", At(metadata, "/startedOn")},
              {"finished", At(metadata, "/finishedOn")},
              {"job", At(metadata, "/invocationId")},
              {"signed_by", *signers},
              {"verified_key", key ? json(key->id()) : json()}};
}

}  // namespace kprune
