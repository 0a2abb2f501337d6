// What a result holds about itself: report.json, and report.html and README.md that are made from it.
#ifndef KPRUNE_WORKER_RESULT_DOCUMENTS_H_
#define KPRUNE_WORKER_RESULT_DOCUMENTS_H_

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "worker/result_folder.h"

namespace kprune {

// Writes README.md and report.html of the model in `folder`, and then report.json: `report` with the digests
// of all other files of the folder in its "outputs". May be called again with a report that has changed.
absl::Status WriteModelDocuments(const ResultFolder& folder, nlohmann::json& report);

// Writes report.html of a result of several models and then report.json, `report` with the page's digest
// added to its "outputs".
absl::Status WriteParetoDocuments(const ResultFolder& folder, nlohmann::json& report);

}  // namespace kprune

#endif  // KPRUNE_WORKER_RESULT_DOCUMENTS_H_
