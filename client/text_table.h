// Aligned columns of text for terminals and logs.
#ifndef KPRUNE_CLIENT_TEXT_TABLE_H_
#define KPRUNE_CLIENT_TEXT_TABLE_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace kprune::client {

// Rows of cells; each column is as wide as its widest cell, columns are two spaces apart. A column of
// quantities (numbers, with a short unit or without) is aligned to the right; the first column never is.
class TextTable {
 public:
  // Without a header the table has rows only.
  TextTable() = default;
  explicit TextTable(std::vector<std::string> header) : header_rows_(1), rows_{std::move(header)} {}

  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  // The lines, each ended by a newline, without trailing spaces.
  std::string ToString() const;

 private:
  bool AlignsRight(size_t column) const;

  const size_t header_rows_ = 0;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace kprune::client

#endif  // KPRUNE_CLIENT_TEXT_TABLE_H_
