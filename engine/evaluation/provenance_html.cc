#include "engine/evaluation/provenance_html.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/evaluation/html_page.h"
#include "engine/evaluation/number_text.h"
#include "engine/evaluation/report_fields.h"
#include "engine/evaluation/reproducing_command.h"

namespace kprune {
namespace {

using nlohmann::json;

std::string OptionsTable(const json& report) {
  const json& options = FieldAt(report, "/options");
  HtmlTable table("", {"option", "value", ""});
  if (!options.is_object()) return "";
  for (const auto& option : options.items()) {
    const std::string text = option.value().is_object()
                                 ? absl::StrCat("of ", TextIn(option.value(), "/runtime"), " on ",
                                                TextIn(option.value(), "/device_name"))
                                 : TextIn(json{{"is", option.value()}}, "/is");
    table.AddRow({absl::StrCat("<code>", EscapeHtml(option.key()), "</code>"), EscapeHtml(text),
                  IsDefaultOption(report, option.key()) ? "" : "not the default"});
  }
  return HtmlDetails("All options", table.ToString());
}

std::string InputsTable(const json& report) {
  const json& inputs = FieldAt(report, "/inputs");
  if (!inputs.is_object() || inputs.empty()) return "";
  HtmlTable table("", {"file that was read", "SHA-256"});
  for (const auto& input : inputs.items()) {
    const std::string digest = TextIn(json{{"is", input.value()}}, "/is");
    table.AddRow(
        {EscapeHtml(input.key()), absl::StrCat("<span class=\"mono\">", EscapeHtml(digest), "</span>")});
  }
  return HtmlDetails("What was read", table.ToString());
}

std::string TimesText(const json& report) {
  std::vector<std::string> times;
  for (const char* part : {"load", "measure", "search", "tune"}) {
    if (const auto seconds = NumberIn(report, absl::StrCat("/seconds/", part).c_str()))
      times.push_back(absl::StrCat(part, " ", DurationText(*seconds)));
  }
  const auto total = NumberIn(report, "/seconds/total");
  if (!total) return absl::StrJoin(times, ", ");
  return absl::StrCat(DurationText(*total),
                      times.empty() ? "" : absl::StrCat(" (", absl::StrJoin(times, ", "), ")"));
}

}  // namespace

std::string ReproductionSection(const json& report) {
  const std::string body =
      absl::StrCat("<p class=\"soft\">MODEL is the folder of the original, OUTPUT a new one",
                   FieldAt(report, "/options/latency_table").is_object()
                       ? ", TABLE what <code>jq .options.latency_table report.json</code> prints"
                       : "",
                   ".</p>\n<pre>", EscapeHtml(ReproducingCommand(report)), "</pre>\n", OptionsTable(report),
                   InputsTable(report));
  return HtmlSection("To do it again", body);
}

std::string CircumstancesSection(const json& report) {
  HtmlTable table("", {});
  const auto add = [&](const char* name, const std::string& text) {
    if (text.empty()) return;
    table.AddRow({name, absl::StrCat("<span>", EscapeHtml(text), "</span>")});
  };
  add("samples", absl::StrCat(TextIn(report, "/samples"), ", with ", TextIn(report, "/tokens"), " tokens"));
  if (const auto length = NumberIn(report, "/sequence_length"))
    add("FLOPs counted at", absl::StrCat(DecimalText(*length), " tokens a sequence"));
  add("seed", TextIn(report, "/seed"));
  add("device", absl::StrCat(TextIn(report, "/device/name"), " (", TextIn(report, "/device/id"), "), ",
                             TextIn(report, "/device/threads"), " threads, ", TextIn(report, "/precision")));
  if (const auto bytes = NumberIn(report, "/peak_memory_bytes")) add("peak memory", BytesText(*bytes));
  add("time", TimesText(report));
  if (const auto resumed = NumberIn(report, "/plan/resumed_sublayers"); resumed && *resumed > 0)
    add("went on from a checkpoint", absl::StrCat(DecimalText(*resumed), " sublayers were done before"));
  add("versions", absl::StrCat("kprune ", TextIn(report, "/versions/kprune"), ", LibTorch ",
                               TextIn(report, "/versions/torch")));
  return HtmlSection("Circumstances", table.ToString());
}

}  // namespace kprune
