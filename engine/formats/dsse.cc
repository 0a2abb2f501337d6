#include "engine/formats/dsse.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/formats/json.h"
#include "engine/formats/json_fields.h"

namespace kprune {
namespace {

using nlohmann::json;

// Each costs a verification.
constexpr size_t kMaxSignatures = 64;

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

// Either alphabet, as the specification wants it; an error goes to `fields`.
std::string Decoded(JsonFields& fields, std::string_view key) {
  const std::string text = fields.String(key, "");
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes) && !absl::WebSafeBase64Unescape(text, &bytes))
    fields.Refuse(key, "is not base64");
  return bytes;
}

}  // namespace

std::string PreAuthenticationEncoding(std::string_view payload_type, std::string_view payload) {
  return absl::StrCat("DSSEv1 ", payload_type.size(), " ", Absl(payload_type), " ", payload.size(), " ",
                      Absl(payload));
}

absl::StatusOr<DsseEnvelope> SignEnvelope(std::string_view payload_type, std::string_view payload,
                                          const SigningKey& key) {
  absl::StatusOr<std::string> signature = key.Sign(PreAuthenticationEncoding(payload_type, payload));
  if (!signature.ok()) return signature.status();
  return DsseEnvelope{std::string(payload_type), std::string(payload), {{key.id(), *std::move(signature)}}};
}

std::string EnvelopeText(const DsseEnvelope& envelope) {
  json signatures = json::array();
  for (const DsseSignature& signature : envelope.signatures)
    signatures.push_back({{"keyid", signature.key_id}, {"sig", absl::Base64Escape(signature.bytes)}});
  return json{{"payloadType", envelope.payload_type},
              {"payload", absl::Base64Escape(envelope.payload)},
              {"signatures", signatures}}
             .dump(2) +
         "\n";
}

absl::StatusOr<DsseEnvelope> ParseEnvelope(std::string_view text, std::string_view what) {
  absl::StatusOr<json> parsed = ParseJson(text, what);
  if (!parsed.ok()) return parsed.status();
  JsonFields fields(*parsed, what);
  DsseEnvelope envelope{fields.String("payloadType", ""), Decoded(fields, "payload"), {}};
  const json* const signatures = fields.Require("signatures");
  if (!fields.status().ok()) return fields.status();
  if (!signatures->is_array() || signatures->empty() || signatures->size() > kMaxSignatures) {
    fields.Refuse("signatures", absl::StrCat("is no list of 1 to ", kMaxSignatures, " signatures"));
    return fields.status();
  }
  for (const json& entry : *signatures) {
    JsonFields signature(entry, absl::StrCat(Absl(what), ": signatures"));
    envelope.signatures.push_back({signature.String("keyid", ""), Decoded(signature, "sig")});
    if (!signature.status().ok()) return signature.status();
  }
  return envelope;
}

bool IsSignedBy(const DsseEnvelope& envelope, const PublicKey& key) {
  const std::string signed_bytes = PreAuthenticationEncoding(envelope.payload_type, envelope.payload);
  return std::any_of(
      envelope.signatures.begin(), envelope.signatures.end(),
      [&](const DsseSignature& signature) { return key.Verifies(signed_bytes, signature.bytes); });
}

}  // namespace kprune
