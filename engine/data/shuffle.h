// Shuffling that is the same on every machine.
#ifndef KPRUNE_ENGINE_DATA_SHUFFLE_H_
#define KPRUNE_ENGINE_DATA_SHUFFLE_H_

#include <random>
#include <utility>
#include <vector>

namespace kprune {

// Fisher-Yates with the engine's raw output: std::shuffle differs between standard libraries.
template <typename Item>
void Shuffle(std::mt19937_64& random, std::vector<Item>& items) {
  for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random() % i]);
}

}  // namespace kprune

#endif  // KPRUNE_ENGINE_DATA_SHUFFLE_H_
