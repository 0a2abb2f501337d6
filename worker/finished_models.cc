#include "worker/finished_models.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "kprune/layout.h"
#include "worker/model_facts.h"
#include "worker/result_documents.h"

namespace kprune {

absl::Status AssembleAll(const std::vector<ReportedModel>& models, const JobCheckpoint& checkpoint,
                         const Options& options, double seconds, ResultFolder& folder) {
  std::map<std::string, std::string> outputs;
  for (const ReportedModel& model : models) {
    absl::StatusOr<std::map<std::string, std::string>> digests =
        DigestFolder(checkpoint.ModelFolder(model.keep_flops));
    if (!digests.ok()) return digests.status();
    const std::string name = BudgetFolder(model.keep_flops);
    for (const auto& [file, digest] : *digests) outputs[absl::StrCat(name, "/", file)] = digest;
  }
  nlohmann::json report = MakeParetoReport(models, options, outputs, seconds);
  if (absl::Status status = WriteParetoDocuments(folder, report); !status.ok()) return status;
  for (const ReportedModel& model : models) {
    absl::Status status =
        folder.Adopt(checkpoint.ModelFolder(model.keep_flops), BudgetFolder(model.keep_flops));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status TakeSmallest(std::vector<ReportedModel>& models, const DropSearch& search,
                          const JobCheckpoint& checkpoint, double seconds, ResultFolder& folder) {
  const absl::StatusOr<double> smallest = search.Smallest();
  if (!smallest.ok()) return smallest.status();
  for (ReportedModel& model : models) {
    if (model.keep_flops != *smallest) continue;
    if (absl::Status status = folder.Adopt(checkpoint.ModelFolder(*smallest), ""); !status.ok())
      return status;
    model.report["max_drop"] = search.Json();
    model.report["seconds"]["total"] = seconds;
    return WriteModelDocuments(folder, model.report);
  }
  return absl::InternalError("the model that passed was not kept");
}

}  // namespace kprune
