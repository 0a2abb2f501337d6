#include "worker/result_documents.h"

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "engine/evaluation/model_card.h"
#include "engine/evaluation/report_html.h"
#include "engine/formats/file.h"
#include "engine/formats/sha256.h"
#include "kprune/layout.h"
#include "kprune/worker_protocol.h"
#include "worker/model_facts.h"

namespace kprune {
namespace {

absl::Status WriteText(const ResultFolder& folder, std::string_view name, const std::string& text) {
  return WriteFileDurably(folder.path() / name, text);
}

}  // namespace

absl::Status WriteModelDocuments(const ResultFolder& folder, nlohmann::json& report) {
  for (const absl::Status& status : {WriteText(folder, kModelCardName, ModelCard(report)),
                                     WriteText(folder, kReportPageName, ReportHtml(report))}) {
    if (!status.ok()) return status;
  }
  absl::StatusOr<std::map<std::string, std::string>> outputs = DigestFolder(folder.path());
  if (!outputs.ok()) return outputs.status();
  outputs->erase(kReportFile);
  report["outputs"] = *outputs;
  return folder.WriteJson(kReportFile, report);
}

absl::Status WriteParetoDocuments(const ResultFolder& folder, nlohmann::json& report) {
  const std::string page = ReportHtml(report);
  if (absl::Status status = WriteText(folder, kReportPageName, page); !status.ok()) return status;
  report["outputs"][std::string(kReportPageName)] = Sha256OfBytes(page);
  return folder.WriteJson(kReportFile, report);
}

}  // namespace kprune
