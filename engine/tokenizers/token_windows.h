// A context that is longer than a sequence, cut into windows that overlap.
#ifndef KPRUNE_ENGINE_TOKENIZERS_TOKEN_WINDOWS_H_
#define KPRUNE_ENGINE_TOKENIZERS_TOKEN_WINDOWS_H_

#include <algorithm>
#include <vector>

namespace kprune {

// Tokens begin .. end - 1.
struct TokenWindow {
  int begin = 0;
  int end = 0;

  bool operator==(const TokenWindow&) const = default;
};

// Windows of at most `room` tokens, at least 1, that together cover `size` tokens and share `overlap`, less than
// `room`, with the next one. `left`: from the end, as tokenizers do that truncate on the left; the last one,
// at the beginning, may then be shorter. Thread-safe: pure.
inline std::vector<TokenWindow> TokenWindows(int size, int room, int overlap, bool left) {
  std::vector<TokenWindow> windows;
  const int step = room - overlap;
  for (int done = 0; windows.empty() || done - step + room < size; done += step) {
    const int end = std::min(size, done + room);
    windows.push_back(left ? TokenWindow{size - end, size - done} : TokenWindow{done, end});
  }
  return windows;
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_TOKENIZERS_TOKEN_WINDOWS_H_
