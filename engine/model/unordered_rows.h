// Rows that are named once each may be written in any order.
#ifndef KPRUNE_ENGINE_MODEL_UNORDERED_ROWS_H_
#define KPRUNE_ENGINE_MODEL_UNORDERED_ROWS_H_

#include <ATen/Context.h>

namespace kprune {

// While it lives, LibTorch does not sort the rows that index_copy and index_add write, as it does on a GPU
// where deterministic algorithms are asked for: without a row that is named twice, the result is the same.
// The setting is the process's: not for threads that compute at the same time.
class UnorderedRows {
 public:
  UnorderedRows() {
    if (before_) at::globalContext().setDeterministicAlgorithms(false, warned_only_);
  }
  ~UnorderedRows() {
    if (before_) at::globalContext().setDeterministicAlgorithms(true, warned_only_);
  }
  UnorderedRows(const UnorderedRows&) = delete;
  UnorderedRows& operator=(const UnorderedRows&) = delete;

 private:
  const bool before_ = at::globalContext().deterministicAlgorithms();
  const bool warned_only_ = at::globalContext().deterministicAlgorithmsWarnOnly();
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_MODEL_UNORDERED_ROWS_H_
