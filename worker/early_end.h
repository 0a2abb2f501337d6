// Whether the job is to end early (include/kprune/worker_protocol.h).
#ifndef KPRUNE_WORKER_EARLY_END_H_
#define KPRUNE_WORKER_EARLY_END_H_

#include <filesystem>
#include <string>

#include "kprune/worker_protocol.h"

namespace kprune {

// Cheap enough to be asked once a batch. Not thread-safe.
class EarlyEnd {
 public:
  explicit EarlyEnd(const std::filesystem::path& job_directory)
      : file_((job_directory / kEndEarlyFile).string()) {}

  // Stays true once it was.
  bool asked() const;

 private:
  const std::string file_;
  mutable bool asked_ = false;
};

}  // namespace kprune

#endif  // KPRUNE_WORKER_EARLY_END_H_
