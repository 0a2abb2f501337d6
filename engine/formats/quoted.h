// Text from a file, fit to stand in an error message.
#ifndef KPRUNE_ENGINE_FORMATS_QUOTED_H_
#define KPRUNE_ENGINE_FORMATS_QUOTED_H_

#include <string>
#include <string_view>

namespace kprune {

// `text` in double quotes: control characters and broken UTF-8 escaped, cut after some 80 bytes. The result
// is always valid UTF-8 on one line, whatever a hostile file holds.
std::string Quoted(std::string_view text);

}  // namespace kprune

#endif  // KPRUNE_ENGINE_FORMATS_QUOTED_H_
