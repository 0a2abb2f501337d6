// Whether a result is the one that its provenance speaks of.
#ifndef KPRUNE_WORKER_PROVENANCE_CHECK_H_
#define KPRUNE_WORKER_PROVENANCE_CHECK_H_

#include <filesystem>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace kprune {

// Checks provenance.json of the result in `folder`: every file that it lists has its digest, there is no
// other file, and it says the same as `report`, the result's. Where there is provenance.dsse.json, it holds
// that very statement; with a `public_key` (a PEM file; empty: none) there must be one, signed with that key.
//
// Gives {"subjects": how many files, "started", "finished", "job": its name or null, "signed_by": [ids of the
// keys that the envelope names, whether they are theirs or not], "verified_key": the id of `public_key` or
// null}; null where an older result has no provenance and no key was given. DATA_LOSS names what was changed,
// is missing or was added. INVALID_ARGUMENT, NOT_FOUND: the public key cannot be used.
absl::StatusOr<nlohmann::json> CheckProvenance(const std::filesystem::path& folder,
                                               const nlohmann::json& report,
                                               const std::filesystem::path& public_key);

}  // namespace kprune

#endif  // KPRUNE_WORKER_PROVENANCE_CHECK_H_
