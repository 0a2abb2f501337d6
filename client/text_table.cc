#include "client/text_table.h"

#include <algorithm>
#include <cctype>

namespace kprune::client {
namespace {

constexpr size_t kLongestUnit = 5;  // "KiB/s"

// A number, perhaps followed by a space and a unit; or nothing.
bool ReadsAsQuantity(const std::string& cell) {
  if (cell.empty() || cell == "-") return true;
  const size_t end = std::min(cell.find(' '), cell.size());
  const size_t first = cell[0] == '-' || cell[0] == '+' ? 1 : 0;
  if (first >= end || std::isdigit(static_cast<unsigned char>(cell[first])) == 0) return false;
  return cell.find_first_not_of("0123456789.e+-", first) >= end && cell.size() - end <= kLongestUnit + 1;
}

// Terminal columns of UTF-8 text without wide characters.
size_t Width(const std::string& cell) {
  return std::count_if(cell.begin(), cell.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

}  // namespace

bool TextTable::AlignsRight(size_t column) const {
  return column > 0 &&
         std::all_of(rows_.begin() + static_cast<long>(header_rows_), rows_.end(),
                     [&](const auto& row) { return column >= row.size() || ReadsAsQuantity(row[column]); });
}

std::string TextTable::ToString() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      const std::string padding(widths[i] - Width(row[i]), ' ');
      line += AlignsRight(i) ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace kprune::client
