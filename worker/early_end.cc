#include "worker/early_end.h"

#include <unistd.h>

namespace kprune {

bool EarlyEnd::asked() const {
  asked_ = asked_ || ::access(file_.c_str(), F_OK) == 0;
  return asked_;
}

}  // namespace kprune
