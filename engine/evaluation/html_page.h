// The pieces of a self-contained HTML page: it loads nothing and runs nothing. Pure functions; thread-safe.
#ifndef KPRUNE_ENGINE_EVALUATION_HTML_PAGE_H_
#define KPRUNE_ENGINE_EVALUATION_HTML_PAGE_H_

#include <string>
#include <string_view>
#include <vector>

namespace kprune {

// `text` so that it can never become markup, in an element and in a quoted attribute: & < > " ' as character
// references, control characters but tab and newline as U+FFFD.
std::string EscapeHtml(std::string_view text);

// A table in a box that scrolls where it is too wide. The first cell of a row is its heading.
class HtmlTable {
 public:
  // Texts; `caption` stands above and may be "".
  HtmlTable(std::string_view caption, const std::vector<std::string>& header);

  // Markup.
  void AddRow(const std::vector<std::string>& cells);

  bool empty() const { return rows_.empty(); }
  std::string ToString() const;

 private:
  std::string caption_, head_, rows_;
};

// A part of the page under a heading; `body` is markup, and "" makes it "".
std::string HtmlSection(std::string_view heading, std::string_view body);

// What is shown once `summary` is opened; `body` as above.
std::string HtmlDetails(std::string_view summary, std::string_view body);

// The whole document, with the style sheet report.css in it.
std::string HtmlPage(std::string_view title, std::string_view body);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_EVALUATION_HTML_PAGE_H_
