#include "engine/tokenizers/byte_level.h"

#include <array>
#include <string>

#include "engine/tokenizers/unicode.h"

namespace kprune {
namespace {

// What stands for a blank.
constexpr char32_t kBlank = 0x120;

// Printable bytes of Latin-1 stand for themselves; the others get the characters from U+0100 on.
const std::array<std::string, 256>& Alphabet() {
  static const std::array<std::string, 256> alphabet = [] {
    std::array<std::string, 256> result;
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      AppendUtf8(printable ? byte : next++, result[byte]);
    }
    return result;
  }();
  return alphabet;
}

bool IsSpace(char32_t c) { return c == kBlank || IsWhitespace(c); }

}  // namespace

void AppendByteLevel(const AlignedText& source, ByteRange range, AlignedText& result) {
  const std::array<std::string, 256>& alphabet = Alphabet();
  for (size_t at = range.begin; at < range.end; ++at)
    result.Append(alphabet[static_cast<unsigned char>(source.text()[at])], source, at);
}

OuterSpaces CountOuterSpaces(std::string_view token) {
  OuterSpaces spaces;
  int32_t run = 0;
  bool only_spaces = true;
  for (size_t at = 0; at < token.size();) {
    if (IsSpace(NextCharacter(token, at))) {
      ++run;
      if (only_spaces) ++spaces.leading;
    } else {
      run = 0;
      only_spaces = false;
    }
  }
  spaces.trailing = run;
  return spaces;
}

}  // namespace kprune
