// Which budgets one run prunes a model to: a list, or a search that learns from what came out.
#ifndef KPRUNE_ENGINE_PRUNING_BUDGET_SOURCE_H_
#define KPRUNE_ENGINE_PRUNING_BUDGET_SOURCE_H_

#include <functional>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/pruning/budget.h"
#include "engine/pruning/checkpoint.h"
#include "engine/pruning/pruning_state.h"

namespace kprune {

// One budget, and where its sublayers are kept.
struct BudgetTask {
  FlopsBudget budget;
  Checkpoint* checkpoint = nullptr;  // borrowed; may be null
  // Of an earlier budget of the same run, which was interrupted since: its batches are those of the
  // measurement. Borrowed; null where there was none.
  const Checkpoint* measured_for = nullptr;
};

// Called on the engine's thread: Next, then Done, then Next, and so on.
class BudgetSource {
 public:
  virtual ~BudgetSource() = default;

  // How many budgets Next will give in all, at most; for progress alone.
  virtual int most_budgets() const = 0;

  // The next budget; nothing ends the run, and so does an error. All are of one sequence length.
  virtual absl::StatusOr<std::optional<BudgetTask>> Next() = 0;

  // Asked before each sublayer. True: it and those above stay as they are, and what there is of the model is
  // its result; stays true.
  virtual bool ends_early() const { return false; }

  // The model that was pruned to the budget that Next gave last. An error ends the run.
  virtual absl::Status Done(const PruningResult& result) = 0;
};

}  // namespace kprune

#endif  // KPRUNE_ENGINE_PRUNING_BUDGET_SOURCE_H_
