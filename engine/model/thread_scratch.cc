#include "engine/model/thread_scratch.h"

#include <new>
#include <vector>

namespace kprune {

float* ThreadScratch(int64_t floats) {
  struct alignas(64) Line {
    float floats[16];
  };
  thread_local std::vector<Line> scratch;
  const auto lines = static_cast<size_t>(floats / 16 + 1);  // there is memory even for none
  if (scratch.size() < lines) scratch.resize(lines);
  return scratch.data()->floats;
}

}  // namespace kprune
