// What the server's flags say of model sources, put together.
#ifndef KPRUNE_SERVER_MODEL_SOURCES_H_
#define KPRUNE_SERVER_MODEL_SOURCES_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "kprune/clock.h"
#include "server/flags.h"
#include "server/sources/model_fetcher.h"

namespace kprune {

// --hub-mirror: an https folder.
absl::StatusOr<SourceUrl> ParseHubMirror(std::string_view text);

// --s3-endpoint: an https folder, or an http one: requests are signed, and a store in the same cluster often
// has no certificate.
absl::StatusOr<SourceUrl> ParseS3Endpoint(std::string_view text);

// --s3-region: lower-case letters, digits and dashes.
absl::StatusOr<std::string> ParseS3Region(std::string_view text);

// Reads the files of credentials once, so that a server that could not use them does not start; the errors
// name them.
absl::StatusOr<std::unique_ptr<ModelFetcher>> MakeModelFetcher(const ServerFlags& flags, Clock& clock);

}  // namespace kprune

#endif  // KPRUNE_SERVER_MODEL_SOURCES_H_
