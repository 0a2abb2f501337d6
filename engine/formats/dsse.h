// DSSE envelopes, version 1 (https://github.com/secure-systems-lab/dsse): a payload together with signatures
// of it and of its type. Thread-safe: pure functions.
#ifndef KPRUNE_ENGINE_FORMATS_DSSE_H_
#define KPRUNE_ENGINE_FORMATS_DSSE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/formats/signing_key.h"

namespace kprune {

struct DsseSignature {
  std::string key_id;  // which key its maker says it is of: nothing vouches for it
  std::string bytes;
};

struct DsseEnvelope {
  std::string payload_type;
  std::string payload;
  std::vector<DsseSignature> signatures;
};

// What is signed: "DSSEv1", the type and the payload, each with its length.
std::string PreAuthenticationEncoding(std::string_view payload_type, std::string_view payload);

// The payload and its signature.
absl::StatusOr<DsseEnvelope> SignEnvelope(std::string_view payload_type, std::string_view payload,
                                          const SigningKey& key);

// As JSON text, and back. INVALID_ARGUMENT begins with `what`, the file's name.
std::string EnvelopeText(const DsseEnvelope& envelope);
absl::StatusOr<DsseEnvelope> ParseEnvelope(std::string_view text, std::string_view what);

// Whether one of the signatures is by that key, whatever the envelope calls it.
bool IsSignedBy(const DsseEnvelope& envelope, const PublicKey& key);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_DSSE_H_
