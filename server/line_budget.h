// How often a log says the same, so that whoever causes its lines cannot fill the disk with them.
#ifndef KPRUNE_SERVER_LINE_BUDGET_H_
#define KPRUNE_SERVER_LINE_BUDGET_H_

#include <cstdint>

#include "absl/time/time.h"

namespace kprune {

// So many lines in any second that begins with a line. Not thread-safe.
class LineBudget {
 public:
  explicit LineBudget(int lines_a_second) : lines_a_second_(lines_a_second) {}

  struct Ruling {
    bool write = false;            // the line that was asked for
    bool first_held_back = false;  // it is not written, as the first one of its second
    int64_t held_back = 0;         // lines of the second before that were not written; told once
  };

  // Whether the line that comes at `now` is written. A clock that is set back begins a new second.
  Ruling Ask(absl::Time now) {
    Ruling ruling;
    if (now < second_ || now >= second_ + absl::Seconds(1)) {
      ruling.held_back = held_back_;
      second_ = now;
      written_ = 0;
      held_back_ = 0;
    }
    ruling.write = written_ < lines_a_second_;
    if (ruling.write) {
      ++written_;
    } else {
      ruling.first_held_back = held_back_++ == 0;
    }
    return ruling;
  }

 private:
  const int lines_a_second_;
  absl::Time second_ = absl::InfinitePast();  // its beginning
  int written_ = 0;
  int64_t held_back_ = 0;
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_LINE_BUDGET_H_
