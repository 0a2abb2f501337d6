// How far a fetch is.
#ifndef KPRUNE_SERVER_SOURCES_FETCH_TALLY_H_
#define KPRUNE_SERVER_SOURCES_FETCH_TALLY_H_

#include <algorithm>
#include <cstdint>

namespace kprune {

// The weights are nearly all of a model: only they count for the share.
struct FetchTally {
  int64_t bytes = 0;          // of all files
  int64_t weight_bytes = 0;   // of the weights
  int64_t weights_whole = 0;  // what the weights will have; 0 while nobody knows
  int resumes = 0;            // of files whose transfer broke off

  double fraction() const {
    if (weights_whole <= 0) return 0;
    return std::min(1.0, static_cast<double>(weight_bytes) / static_cast<double>(weights_whole));
  }
};

}  // namespace kprune

#endif  // KPRUNE_SERVER_SOURCES_FETCH_TALLY_H_
