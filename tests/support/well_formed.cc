#include "tests/support/well_formed.h"

#include <cctype>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

namespace kprune::testing {
namespace {

const std::set<std::string, std::less<>> kVoid = {"meta", "br", "hr", "wbr"};
const std::set<std::string, std::less<>> kForbidden = {"script", "link",  "iframe",       "object", "embed",
                                                       "img",    "image", "video",        "audio",  "base",
                                                       "form",   "use",   "foreignObject"};
const std::set<std::string, std::less<>> kReferences = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

class PageReader {
 public:
  explicit PageReader(const std::string& page) : page_(page) {}

  std::string Read() {
    if (!Take("<!DOCTYPE html>\n")) return "no doctype";
    while (wrong_.empty() && at_ < page_.size()) {
      if (page_[at_] == '<') {
        Tag();
      } else {
        Text();
      }
    }
    if (wrong_.empty() && !open_.empty()) return "<" + open_.back() + "> is not closed";
    return wrong_;
  }

 private:
  bool Take(std::string_view text) {
    if (std::string_view(page_).substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }

  void Wrong(const std::string& what) {
    if (wrong_.empty()) wrong_ = what + " near: " + page_.substr(at_ < 60 ? 0 : at_ - 60, 120);
  }

  std::string Name() {
    const size_t begin = at_;
    while (at_ < page_.size() && (std::isalnum(static_cast<unsigned char>(page_[at_])) || page_[at_] == '-'))
      ++at_;
    return page_.substr(begin, at_ - begin);
  }

  void Reference() {
    const size_t end = page_.find(';', at_);
    if (end == std::string::npos || !kReferences.contains(page_.substr(at_, end + 1 - at_)))
      return Wrong("a bare &");
    at_ = end + 1;
  }

  void Text() {
    const auto c = static_cast<unsigned char>(page_[at_]);
    if (c == '>') return Wrong("a bare >");
    if (c == '&') return Reference();
    if (c < 0x20 && c != '\n' && c != '\t') return Wrong("a control character");
    if (open_.empty() && c != '\n') return Wrong("text outside of all elements");
    ++at_;
  }

  void Tag() {
    ++at_;
    if (Take("/")) {
      const std::string name = Name();
      if (open_.empty() || open_.back() != name) return Wrong("</" + name + "> closes nothing");
      open_.pop_back();
      if (!Take(">")) Wrong("</" + name + " does not end");
      return;
    }
    const std::string name = Name();
    if (name.empty()) return Wrong("a bare <");
    if (kForbidden.contains(name)) return Wrong("<" + name + ">");
    Attributes();
    if (!wrong_.empty()) return;
    const bool empty = Take("/");
    if (!Take(">")) return Wrong("<" + name + " does not end");
    if (empty || kVoid.contains(name)) return;
    open_.push_back(name);
    if (name == "style") Style();
  }

  void Attributes() {
    std::set<std::string> seen;
    while (wrong_.empty() && Take(" ")) {
      const std::string name = Name();
      if (name.empty() || !Take("=\"")) return Wrong("an attribute without a quoted value");
      if (!seen.insert(name).second) return Wrong("a second " + name);
      if (name.compare(0, 2, "on") == 0 || name == "src" || name == "style" || name == "srcset")
        return Wrong(name);
      const size_t begin = at_;
      while (wrong_.empty() && at_ < page_.size() && page_[at_] != '"') {
        if (page_[at_] == '<' || page_[at_] == '>') return Wrong("a bare bracket in an attribute");
        if (page_[at_] == '&') {
          Reference();
        } else {
          ++at_;
        }
      }
      const std::string value = page_.substr(begin, at_ - begin);
      if (value.find("url(") != std::string::npos) Wrong("a url()");
      if (name == "href" && (value.empty() || value[0] == '/' || value.find(':') != std::string::npos))
        Wrong("a link to another place");
      if (!Take("\"")) Wrong("an attribute that does not end");
    }
  }

  void Style() {
    const size_t end = page_.find("</style>", at_);
    if (end == std::string::npos) return Wrong("a style that does not end");
    const std::string style = page_.substr(at_, end - at_);
    for (const char* loads : {"url(", "@import", "<", "expression("}) {
      if (style.find(loads) != std::string::npos) return Wrong(std::string("style with ") + loads);
    }
    at_ = end;
  }

  const std::string& page_;
  size_t at_ = 0;
  std::vector<std::string> open_;
  std::string wrong_;
};

}  // namespace

std::string WhatIsWrongWithPage(const std::string& page) { return PageReader(page).Read(); }

}  // namespace kprune::testing
