#include "engine/formats/quoted.h"

#include "nlohmann/json.hpp"

namespace kprune {

std::string Quoted(std::string_view text) {
  constexpr size_t kMaxBytes = 80;
  bool cut = false;
  if (text.size() > kMaxBytes) {
    size_t end = kMaxBytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      --end;  // not inside a character
    text = text.substr(0, end);
    cut = true;
  }
  std::string quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (cut) quoted += "...";
  return quoted;
}

}  // namespace kprune
