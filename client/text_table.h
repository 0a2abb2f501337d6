// Aligned columns of text for terminals and logs.
#ifndef KPRUNE_CLIENT_TEXT_TABLE_H_
#define KPRUNE_CLIENT_TEXT_TABLE_H_

#include <string>
#include <vector>

namespace kprune::client {

// Rows of cells; each column is as wide as its widest cell, columns are two spaces apart. A cell that reads
// as a number (starts with a digit, or a sign and a digit) is aligned to the right unless its column is the
// first.
class TextTable {
 public:
  // Without a header the table has rows only.
  TextTable() = default;
  explicit TextTable(std::vector<std::string> header) { rows_.push_back(std::move(header)); }

  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  // The lines, each ended by a newline, without trailing spaces.
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_TEXT_TABLE_H_
