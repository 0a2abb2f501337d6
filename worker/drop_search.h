// max_drop: the smallest model that loses no more points than that, by bisection over the shares of the FLOPs
// that options.h names.
#ifndef KPRUNE_WORKER_DROP_SEARCH_H_
#define KPRUNE_WORKER_DROP_SEARCH_H_

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "engine/evaluation/drop.h"
#include "kprune/options.h"
#include "nlohmann/json.hpp"
#include "worker/model_judge.h"

namespace kprune {

// Supposes that a model that keeps more loses less. Plain values; not thread-safe.
class DropSearch {
 public:
  // Shares below `least_keep` are not tried: they leave nothing of the model.
  DropSearch(double max_drop, double least_keep);

  // The most models that are tried.
  static int most_tried();

  // The share to try next; nothing when the smallest is known, or that there is none.
  std::optional<double> Next() const;

  // What the model that keeps Next() lost: it passes if `drop.upper` is no more than max_drop.
  void Add(const Drop& drop);

  // The smallest share that passed. FAILED_PRECONDITION where none did, with what was found.
  absl::StatusOr<double> Smallest() const;

  // The report's "max_drop" object, with all that were tried so far, in that order.
  nlohmann::json Json() const;

 private:
  struct Trial {
    double keep_flops = 0;
    Drop drop;
  };

  const double max_drop_;
  int fails_;   // index of the largest share that is known or supposed to fail
  int passes_;  // of the smallest that passed; one more than all where none did
  std::vector<Trial> tried_;
};

// Of the report of a model that was tried: whether it says so, and what it lost.
bool HasDrop(const nlohmann::json& report);
Drop LastDropIn(const nlohmann::json& report);

// FAILED_PRECONDITION where the samples are too few to show a drop of at most options.max_drop, even if there
// is none, with how many are needed; OK where max_drop is not set. `available`: lines of data.
absl::Status CheckCanShowDrop(Task task, const Options& options, const JudgingSamples& samples,
                              int64_t available);

}  // namespace kprune

#endif  // KPRUNE_WORKER_DROP_SEARCH_H_
