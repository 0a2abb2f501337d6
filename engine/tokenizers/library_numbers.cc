#include "engine/tokenizers/library_numbers.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace kprune {
namespace {

constexpr int kGreatestPower = 308;

double PowerOfTen(int exponent) {
  static const auto* const powers = [] {
    auto* const table = new std::array<double, kGreatestPower + 1>;
    for (int i = 0; i <= kGreatestPower; ++i)
      (*table)[i] = std::strtod(("1e" + std::to_string(i)).c_str(), nullptr);
    return table;
  }();
  return (*powers)[exponent];
}

}  // namespace

double AsLibraryReads(double number) {
  // The shortest text that is this number, as files have it: "-9.489279747009277e+00".
  char text[32];
  const char* const end = std::to_chars(text, text + sizeof text, number, std::chars_format::scientific).ptr;
  const bool negative = text[0] == '-';
  uint64_t digits = 0;
  int places = 0;
  const char* at = text + (negative ? 1 : 0);
  for (bool fraction = false; *at != 'e'; ++at) {
    if (*at == '.') {
      fraction = true;
      continue;
    }
    digits = digits * 10 + static_cast<uint64_t>(*at - '0');
    places += fraction ? 1 : 0;
  }
  int exponent = 0;
  std::from_chars(at + (at[1] == '+' ? 2 : 1), end, exponent);
  exponent -= places;
  auto value = static_cast<double>(digits);
  for (; exponent < -kGreatestPower; exponent += kGreatestPower) value /= PowerOfTen(kGreatestPower);
  value = exponent < 0 ? value / PowerOfTen(-exponent) : value * PowerOfTen(exponent);
  return negative ? -value : value;
}

void ReadScoresAsLibrary(nlohmann::json& tokenizer) {
  const nlohmann::json::json_pointer type("/model/type"), vocabulary("/model/vocab");
  if (!tokenizer.is_object() || !tokenizer.contains(type) || tokenizer[type] != "Unigram") return;
  if (!tokenizer.contains(vocabulary) || !tokenizer[vocabulary].is_array()) return;
  for (nlohmann::json& piece : tokenizer[vocabulary]) {
    if (!piece.is_array() || piece.size() != 2 || !piece[1].is_number_float()) continue;
    piece[1] = AsLibraryReads(piece[1].get<double>());
  }
}

}  // namespace kprune
