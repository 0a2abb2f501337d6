#include "engine/evaluation/judgement_html.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/evaluation/html_page.h"
#include "engine/evaluation/number_text.h"
#include "engine/evaluation/report_fields.h"
#include "engine/evaluation/reproducing_command.h"
#include "engine/evaluation/svg_charts.h"

namespace kprune {
namespace {

using nlohmann::json;

// More are behind a click.
constexpr size_t kFlippedShown = 12;

std::string MetricTable(const json& report) {
  const auto original = NumberIn(report, "/metric/original"), pruned = NumberIn(report, "/metric/pruned");
  if (!original || !pruned) return "";
  const auto before = IntervalIn(report, "/metric/original_interval95"),
             after = IntervalIn(report, "/metric/pruned_interval95"),
             change = IntervalIn(report, "/metric/difference/interval95");
  HtmlTable table(
      absl::StrCat(TextIn(report, "/metric/name"), " on ", TextIn(report, "/metric/n"), " labelled samples"),
      {"", "value", "95 % interval", ""});
  double low = 0, high = 1;
  if (before && after) {
    low = std::min(before->first, after->first);
    high = std::max(before->second, after->second);
    low -= (high - low) / 20;
    high += (high - low) / 20;
  }
  const auto add = [&](const char* name, double value, const auto& interval, std::string_view tone) {
    table.AddRow({name, DecimalText(value), interval ? IntervalText(*interval) : "",
                  interval ? SvgInterval({value, *interval, tone}, low, high) : ""});
  };
  add("original", *original, before, "before");
  add("pruned", *pruned, after, "after");
  const double difference = NumberIn(report, "/metric/difference/value").value_or(*pruned - *original);
  const double reach = change ? 1.1 * std::max(std::fabs(change->first), std::fabs(change->second)) : 1;
  table.AddRow({"difference, in points", PointsText(difference), change ? PointsIntervalText(*change) : "",
                change ? SvgInterval({difference, *change, "warm"}, -reach, reach, 0) : ""});
  return table.ToString();
}

struct AgreementName {
  const char* field;
  const char* text;
  bool has_scale;  // from 0 or below to 1
};
constexpr AgreementName kAgreementNames[] = {{"top1", "same answer", true},
                                             {"kl", "KL, in nats", false},
                                             {"cosine", "cosine of embeddings", true},
                                             {"recall_at_10", "nearest 10 found again", true},
                                             {"recall_at_10_old_index", "... by the old index", true},
                                             {"pearson", "linear correlation", true},
                                             {"spearman", "rank correlation", true},
                                             {"rmse", "root mean square difference", false}};

std::string AgreementTable(const json& report) {
  HtmlTable table(absl::StrCat("agreement with the original on ", TextIn(report, "/agreement/n"),
                               " samples that did not prune"),
                  {"", "value", "95 % interval", ""});
  for (const AgreementName& name : kAgreementNames) {
    const auto value = NumberIn(report, absl::StrCat("/agreement/", name.field).c_str());
    if (!value) continue;
    const auto interval = IntervalIn(report, absl::StrCat("/agreement/interval95/", name.field).c_str());
    const double low = interval ? std::min(0.5, interval->first) : 0;
    table.AddRow({name.text, DecimalText(*value), interval ? IntervalText(*interval) : "",
                  interval && name.has_scale ? SvgInterval({*value, *interval}, low, 1) : ""});
  }
  return table.empty() ? "" : table.ToString();
}

std::string DecisionText(const json& decision) { return EscapeHtml(TextIn(json{{"is", decision}}, "/is")); }

// The folder of "inputs" whose lines judged agreement; "" where that cannot be told.
std::string JudgingFolder(const json& report) {
  const bool has_eval = !InputNames(report, "eval").empty();
  const double holdout = NumberIn(report, "/options/holdout").value_or(0);
  if (holdout > 0 && !has_eval) return "data";
  if (holdout <= 0) return has_eval ? "eval" : "";
  return holdout * NumberIn(report, "/samples").value_or(0) >= 1 ? "data" : "";
}

// The file's name where there is no other; else its number among those that were given.
std::string FileText(const json& report, const json& sample) {
  const std::vector<std::string> names = InputNames(report, JudgingFolder(report));
  return names.size() == 1 ? names.front() : absl::StrCat("file ", TextIn(sample, "/file"));
}

}  // namespace

std::string JudgementSection(const json& report) {
  const std::string tables = absl::StrCat(MetricTable(report), AgreementTable(report));
  if (tables.empty()) return "";
  return HtmlSection("How it was judged", tables);
}

std::string DropSection(const json& report) {
  const json& drop = FieldAt(report, "/max_drop");
  const json& tried = FieldAt(drop, "/tried");
  if (!tried.is_array() || tried.empty()) return "";
  const double points = NumberIn(drop, "/points").value_or(0);
  HtmlTable table("", {"FLOPs kept", "points lost", "at most (95 %)", ""});
  for (const json& trial : tried) {
    const auto keep = NumberIn(trial, "/keep_flops"), lost = NumberIn(trial, "/drop"),
               upper = NumberIn(trial, "/upper");
    if (!keep || !lost || !upper) continue;
    table.AddRow({PercentText(*keep), absl::StrFormat("%.2f", *lost), absl::StrFormat("%.2f", *upper),
                  *upper <= points ? "<span class=\"star\">within the bound</span>" : "too much"});
  }
  const std::string note = absl::StrFormat(
      "The smallest model was wanted that loses at most %g points of %s, by the 95 %% interval on %s samples "
      "(%s).",
      points, TextIn(drop, "/judged_by"), TextIn(drop, "/samples"), TextIn(drop, "/bound"));
  return HtmlSection("How the size was found",
                     absl::StrCat("<p class=\"soft\">", EscapeHtml(note), "</p>\n", table.ToString()));
}

std::string SettingSection(const json& report) {
  const json& chosen = FieldAt(report, "/chosen");
  const json& tried = FieldAt(chosen, "/tried");
  if (!tried.is_array() || tried.empty()) return "";
  const bool kl = TextIn(chosen, "/judged_by") == "kl";
  HtmlTable table("", {"lambda_rep", "mu", kl ? "KL, in nats" : "squared error", ""});
  for (const json& trial : tried) {
    const auto loss = NumberIn(trial, "/loss");
    const bool taken = FieldAt(trial, "/lambda_rep") == FieldAt(chosen, "/lambda_rep") &&
                       FieldAt(trial, "/mu") == FieldAt(chosen, "/mu");
    table.AddRow({EscapeHtml(TextIn(trial, "/lambda_rep")), EscapeHtml(TextIn(trial, "/mu")),
                  loss ? DecimalText(*loss) : "not finite",
                  taken ? "<span class=\"star\">taken</span>" : ""});
  }
  const std::string note =
      absl::StrCat("Judged on ", TextIn(chosen, "/samples"), " samples held out of the pruning.");
  return HtmlSection("How the setting was found",
                     absl::StrCat("<p class=\"soft\">", EscapeHtml(note), "</p>\n", table.ToString()));
}

std::string FlippedSection(const json& report) {
  const auto n = NumberIn(report, "/flipped/n");
  if (!n) return "";
  if (*n == 0) {
    return HtmlSection("Samples with another answer",
                       "<p>None: every sample that judged the agreement has the original's "
                       "answer.</p>\n");
  }
  const json& samples = FieldAt(report, "/flipped/samples");
  const std::vector<std::string> header = {"where", "original", "pruned"};
  HtmlTable first("", header), more("", header);
  size_t shown = 0;
  for (const json& sample : samples) {
    const std::string where = absl::StrCat(FileText(report, sample), ":", TextIn(sample, "/line"));
    (++shown <= kFlippedShown ? first : more)
        .AddRow({absl::StrCat("<span class=\"mono\">", EscapeHtml(where), "</span>"),
                 DecisionText(FieldAt(sample, "/original")), DecisionText(FieldAt(sample, "/pruned"))});
  }
  const std::string note =
      absl::StrFormat("%g of %s samples. Answers are numbers of classes, counted from 0.", *n,
                      TextIn(report, "/agreement/n"));
  const std::string rest =
      more.empty() ? "" : HtmlDetails(absl::StrCat(shown - kFlippedShown, " more"), more.ToString());
  return HtmlSection("Samples with another answer",
                     absl::StrCat("<p class=\"soft\">", EscapeHtml(note), "</p>\n", first.ToString(), rest));
}

std::string VerificationSection(const json& report) {
  const json& formats = FieldAt(report, "/verification/formats");
  if (!formats.is_array() || formats.empty()) return "";
  HtmlTable table("", {"format", "run by", "largest difference", "bound"});
  for (const json& format : formats) {
    const auto difference = NumberIn(format, "/max_difference"), bound = NumberIn(format, "/bound");
    table.AddRow({EscapeHtml(TextIn(format, "/format")), EscapeHtml(TextIn(format, "/by")),
                  difference ? absl::StrFormat("%.1e", *difference) : "checked, not run",
                  bound && difference ? absl::StrFormat("%.1e", *bound) : ""});
  }
  return HtmlSection(
      "Verified before it was handed over",
      absl::StrCat(
          "<p class=\"soft\">Every file was read again and run, and its outputs were compared with those of "
          "the model in memory.</p>\n",
          table.ToString()));
}

}  // namespace kprune
