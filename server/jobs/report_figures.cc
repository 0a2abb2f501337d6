#include "server/jobs/report_figures.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/status/statusor.h"
#include "kprune/worker_protocol.h"
#include "nlohmann/json.hpp"
#include "server/jobs/worker_outcome.h"

namespace kprune {
namespace {

using nlohmann::json;

// Ten times what the longest report of a large model has.
constexpr size_t kMaxReportBytes = 16 << 20;

// By how much the cosine of equal vectors may miss 1.
constexpr double kRounding = 1e-6;

std::optional<double> NumberAt(const json& report, const char* object, const char* key) {
  const auto outer = report.find(object);
  if (outer == report.end() || !outer->is_object()) return std::nullopt;
  const auto inner = outer->find(key);
  if (inner == outer->end() || !inner->is_number()) return std::nullopt;
  return inner->get<double>();
}

// NaN is none either.
std::optional<double> IfShare(std::optional<double> value) {
  return value && *value >= 0 && *value <= 1 ? value : std::nullopt;
}

std::optional<double> ShareRemoved(const json& report, const char* object) {
  const std::optional<double> original = NumberAt(report, object, "original");
  const std::optional<double> kept = NumberAt(report, object, "kept");
  if (!original || !kept || *original <= 0) return std::nullopt;
  return IfShare(1 - *kept / *original);
}

// A cosine or a correlation below 0 is no agreement at all.
std::optional<AgreementFigure> AgreementOf(const json& report) {
  for (const char* measure : kAgreementMeasures) {
    const std::optional<double> value = NumberAt(report, "agreement", measure);
    if (!value) continue;
    if (!(std::abs(*value) <= 1 + kRounding)) return std::nullopt;
    return AgreementFigure{measure, std::clamp(*value, 0.0, 1.0)};
  }
  return std::nullopt;
}

}  // namespace

ReportFigures ParseReportFigures(std::string_view report_json) {
  const json report = json::parse(report_json, nullptr, /*allow_exceptions=*/false);
  if (!report.is_object()) return {};
  return {ShareRemoved(report, "flops"), ShareRemoved(report, "parameters"), AgreementOf(report)};
}

std::vector<ReportFigures> ReadReportFigures(const std::filesystem::path& job_directory,
                                             const Manifest& files) {
  std::vector<ReportFigures> all;
  for (const FileEntry& file : files) {
    const std::filesystem::path name = file.name;
    if (name.filename() != kReportFile) continue;
    const absl::StatusOr<std::string> text =
        ReadSmallFile(job_directory / kResultDirectory / name, kMaxReportBytes);
    if (!text.ok()) continue;
    const ReportFigures figures = ParseReportFigures(*text);
    if (figures.flops_removed) all.push_back(figures);
  }
  return all;
}

}  // namespace kprune
