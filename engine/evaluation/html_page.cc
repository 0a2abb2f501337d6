#include "engine/evaluation/html_page.h"

#include "absl/strings/str_cat.h"
#include "engine/evaluation/report_style.h"

namespace kprune {
namespace {

// Columns of numbers are aligned to the right by the style sheet: it is told by the cell's first character.
bool IsQuantity(std::string_view cell) {
  return !cell.empty() && ((cell[0] >= '0' && cell[0] <= '9') || cell[0] == '+' || cell[0] == '-');
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        const bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') || c == 0x7f;
        escaped += control ? "\xEF\xBF\xBD" : std::string(1, c);
    }
  }
  return escaped;
}

HtmlTable::HtmlTable(std::string_view caption, const std::vector<std::string>& header) {
  if (!caption.empty()) caption_ = absl::StrCat("<p class=\"soft\">", EscapeHtml(caption), "</p>\n");
  if (header.empty()) return;
  absl::StrAppend(&head_, "<thead><tr>");
  for (const std::string& cell : header)
    absl::StrAppend(&head_, "<th scope=\"col\">", EscapeHtml(cell), "</th>");
  absl::StrAppend(&head_, "</tr></thead>");
}

void HtmlTable::AddRow(const std::vector<std::string>& cells) {
  absl::StrAppend(&rows_, "<tr>");
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i == 0) {
      absl::StrAppend(&rows_, "<th scope=\"row\">", cells[i], "</th>");
    } else {
      absl::StrAppend(&rows_, IsQuantity(cells[i]) ? "<td class=\"n\">" : "<td>", cells[i], "</td>");
    }
  }
  absl::StrAppend(&rows_, "</tr>\n");
}

std::string HtmlTable::ToString() const {
  return absl::StrCat(caption_, "<div class=\"scroll\"><table>", head_, "\n<tbody>\n", rows_,
                      "</tbody></table></div>\n");
}

std::string HtmlSection(std::string_view heading, std::string_view body) {
  if (body.empty()) return "";
  return absl::StrCat("<section>\n<h2>", EscapeHtml(heading), "</h2>\n", std::string(body), "</section>\n");
}

std::string HtmlDetails(std::string_view summary, std::string_view body) {
  if (body.empty()) return "";
  return absl::StrCat("<details><summary>", EscapeHtml(summary), "</summary>\n", std::string(body),
                      "</details>\n");
}

std::string HtmlPage(std::string_view title, std::string_view body) {
  return absl::StrCat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
      EscapeHtml(title), "</title>\n<style>\n", std::string(kReportStyle),
      "</style>\n</head>\n<body>\n<main>\n", std::string(body), "</main>\n</body>\n</html>\n");
}

}  // namespace kprune
