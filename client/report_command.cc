// kprune report: what a result's report.json says.
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "client/command.h"
#include "client/local_command.h"
#include "client/report_view.h"
#include "kprune/worker_protocol.h"

namespace kprune::client {
namespace {

struct ReportFlags {
  std::string folder;
  TextFormat format = TextFormat::kText;
};

absl::Status PrintReport(const ReportFlags& flags, Session& session) {
  const std::filesystem::path file = std::filesystem::path(flags.folder) / kReportFile;
  if (!std::filesystem::exists(file)) {
    return absl::NotFoundError(absl::StrCat(flags.folder, " has no ", kReportFile,
                                            "; name the folder of a result of kprune run or fetch"));
  }
  const absl::StatusOr<std::string> text = ReadTextFile(file);
  if (!text.ok()) return text.status();
  const auto report = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!report.is_object()) return absl::DataLossError(absl::StrCat(file.string(), " is not a JSON object"));
  session.out << (flags.format == TextFormat::kJson ? *text : ReportText(report));
  return absl::OkStatus();
}

}  // namespace

void AddReportCommand(CLI::App& app, Session& session) {
  auto flags = std::make_shared<ReportFlags>();
  CLI::App* command =
      app.add_subcommand("report", "Show what became of a model: before and after, layer by layer");
  command->add_option("FOLDER", flags->folder, "Folder of a result")
      ->required()
      ->check(CLI::ExistingDirectory);
  AddFormatFlag(*command, flags->format);
  command->footer("Example:\n  kprune report my-model-half");
  command->callback(
      [flags, &session] { session.action = [flags, &session] { return PrintReport(*flags, session); }; });
}

}  // namespace kprune::client
